import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { CLASSIC_BASE, ClassicBuilder } from "../../testing/classic-builder.ts";
import { buildFrontend, buildFrontendWith } from "../../testing/frontends.ts";
import { type BuildOutcome, sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();
const RECIPE = "example/recipe:1";

describe("a Dockerfile names a front end that is an image", { skip }, () => {
  before(async () => await buildFrontendWith(varve, "recipe", RECIPE));

  test("it makes the image, and gets the options of the build", async () => {
    const folder = await varve.context(
      "made",
      `# syntax=${RECIPE} words
from ${base}
file /text some text
run cat /text > /copy
show cmdline
show build-arg:WHO
show target
show context:more
warn look here
config {"Env":["A=b"]}
`,
      { "other/file": "x" },
    );
    const more = join(folder, "other");
    const output = `type=oci,tar=false,dest=${join(varve.folder, "attested")}`;
    const named = ["--build-arg=WHO=me", "--target=this", `--build-context=more=${more}`, "-t", "made:1"];
    const made = await varve.make([...named, folder]);
    assert.equal(made.text("copy"), "some text");
    assert.equal(made.text("cmdline"), `${RECIPE} words`);
    assert.equal(made.text("build-arg-WHO"), "me");
    assert.equal(made.text("target"), "this");
    assert.equal(made.text("context-more"), "local:more");
    assert.match(made.stderr, /look here/);
    const run = ({ steps }: BuildOutcome): string | undefined =>
      steps.find(({ name }) => name.startsWith("run "))?.status;
    assert.equal(run(made), "run");
    assert.equal(run(await varve.build([...named, "--provenance=mode=max", "-o", output, folder])), "hit");
    const provenance = JSON.stringify(await statementsOf(join(varve.folder, "attested")));
    assert.match(provenance, /"frontend":"gateway.v0"/);
    assert.match(provenance, /pkg:docker\/example\/recipe@1/);
    assert.match(provenance, /"language":"Recipe"/);
  });

  test("the Dockerfile can come from standard input, and a build argument can name the front end", async () => {
    const args = [`--build-arg=BUILDKIT_SYNTAX=${RECIPE}`, "-"];
    assert.equal((await varve.make(args, { input: "file /a b\n" })).text("a"), "b");
  });

  test("a mode and a context say what runs", async () => {
    const folder = await varve.context("mode", `# syntax=${RECIPE}\nFROM scratch\nCOPY Dockerfile /copied\n`);
    assert.match((await varve.tryBuild([folder])).stderr, /line 2: unknown step FROM/);
    const config = join(varve.folder, "varve.json");
    await writeFile(config, '{"frontendImages":"never"}');
    assert.equal((await varve.run(["--config", config, "build", folder])).code, 0);
    const wrong = await varve.run(["build", "--frontend-image=sometimes", folder]);
    assert.match(wrong.stderr, /expected one of auto, always, never/);
    const known = await varve.context("known", "# syntax=docker/dockerfile:1.4\nfile /a b\n");
    const context = `--build-context=docker/dockerfile:1.4=docker-image://${RECIPE}`;
    assert.equal((await varve.make([context, known])).text("a"), "b");
  });

  test("what fails has its place in the file", async () => {
    const step = await varve.context("step", `# syntax=${RECIPE}\nfrom ${base}\nrun exit 4\n`);
    const failed = await varve.tryBuild([step]);
    assert.match(failed.stderr, /Dockerfile:3\n(?:.*\n){3}\s+3 \| >>> run exit 4/);
    assert.match(failed.stderr, /"\/bin\/sh -c exit 4" did not complete successfully: exit code: 4/);
    const exit = await varve.context("exit", `# syntax=${RECIPE}\nexit 3 ouch\n`);
    const exited = await varve.tryBuild([exit]);
    assert.match(exited.stderr, />>> # syntax=.*\n(?:.*\n)+.*\/recipe.mjs" did not .*: exit code: 3: ouch/);
  });

  test("questions are answered by it, and a plan is refused", async () => {
    const folder = await varve.context("asked", `# syntax=${RECIPE}\nfile /a b\n`);
    assert.equal((await varve.run(["build", "--call=targets", folder])).stdout, "one target\n");
    assert.match((await varve.run(["build", "--plan", folder])).stderr, /its language is that of the front end/);
  });
});

/** The statements of an image in a layout, as text. */
async function statementsOf(layout: string): Promise<unknown> {
  const blob = async (digest: string): Promise<Json> =>
    JSON.parse(await readFile(join(layout, "blobs", digest.replace(":", "/")), "utf8")) as Json;
  const index = JSON.parse(await readFile(join(layout, "index.json"), "utf8")) as Json;
  const { manifests = [] } = await blob(index.manifests?.[0]?.digest ?? "");
  const attestation = await blob(manifests.at(-1)?.digest ?? "");
  return await Promise.all((attestation.layers ?? []).map(({ digest }) => blob(digest)));
}

interface Json {
  readonly manifests?: readonly { readonly digest: string }[];
  readonly layers?: readonly { readonly digest: string }[];
}

describe("POST /build with a front end that is an image", { skip }, () => {
  let builder: ClassicBuilder;
  before(async () => {
    builder = await ClassicBuilder.open();
    await buildFrontend(builder.server.store, "recipe", RECIPE);
  });
  after(async () => await builder?.[Symbol.asyncDispose]());

  test("its steps are shown as those of a Dockerfile", async () => {
    const recipe = `# syntax=${RECIPE}\nfrom ${CLASSIC_BASE}\nfile /text some text\nrun cat /text\nshow build-arg:A\n`;
    const { printed, error, id } = await builder.build(recipe, `t=made:1&buildargs=${encodeURIComponent('{"A":"b"}')}`);
    assert.equal(error, undefined);
    assert.match(printed, /Step \d+\/\d+ : file \/text\n/);
    assert.match(printed, /Step \d+\/\d+ : run cat \/text\nsome text/);
    assert.match(printed, /Successfully tagged made:1/);
    assert.equal((await builder.inspect("made:1")).Id, id);
    const failed = await builder.build(`# syntax=${RECIPE}\nfail it is wrong\n`);
    assert.match(String(failed.error?.message), /it is wrong/);
  });
});
