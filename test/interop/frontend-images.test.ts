import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { type BuildkitServer, startBuildkitServer } from "../../testing/buildkit-server.ts";
import { buildFrontendWith } from "../../testing/frontends.ts";
import { buildkitProgram } from "../../testing/buildkit-programs.ts";
import { printedOf } from "../../testing/progress.ts";
import { clientsUnavailable } from "../../testing/stock-clients.ts";
import { Varve, sh } from "../../testing/varve.ts";

let server: BuildkitServer;
let recipe: string;

const at = (name: string): string => join(server.varve.folder, name);

/** Clients of BuildKit that build with a front end of our own, which is in a registry. */
suite("stock clients with a front end that is an image", { skip: clientsUnavailable() }, () => {
  before(async () => {
    server = await startBuildkitServer();
    recipe = `${server.registry.host}/recipe:1`;
    await using other = await Varve.open();
    await buildFrontendWith(other, "recipe", recipe, { push: true });
  });
  after(async () => await server?.[Symbol.asyncDispose]());

  const recipeContext = async (name: string, text: string): Promise<string> =>
    await server.context(name, `# syntax=${recipe}\n${text}`);

  test("docker buildx build", async () => {
    const folder = await recipeContext("buildx", "from BASE\nfile /a first\nrun cat /a\nshow build-arg:WHO\n");
    const { stderr } = await server.remote.run([
      "buildx",
      "build",
      "--build-arg=WHO=me",
      "-o",
      `type=local,dest=${at("out")}`,
      folder,
    ]);
    assert.match(printedOf(stderr, "run cat /a"), /first/);
    assert.equal(await readFile(at("out/a"), "utf8"), "first");
    assert.equal(await readFile(at("out/build-arg-WHO"), "utf8"), "me");
    const failing = await recipeContext("failing", "\nfail this is wrong\n");
    await assert.rejects(server.remote.run(["buildx", "build", failing]), /Dockerfile:3(?:.*\n)+.*this is wrong/);
    const { stdout } = await server.remote.run(["buildx", "build", "--call=targets", folder]);
    assert.match(stdout, /one target/);
  });

  test("buildctl build", async (t) => {
    const buildctl = buildkitProgram("buildctl");
    if (buildctl === undefined) return t.skip("buildctl is not installed");
    const folder = await server.context("buildctl", "from BASE\nfile /a second\nrun cat /a\n");
    const asked = ["build", "--progress=plain", `--local=dockerfile=${folder}`, `--local=context=${folder}`];
    const gateway = ["--frontend=gateway.v0", `--opt=source=${recipe}`];
    const output = `--output=type=local,dest=${at("ctl")}`;
    await sh(
      buildctl,
      "--addr",
      server.server.addresses.find((each) => each.includes("b.sock")) ?? "",
      ...asked,
      ...gateway,
      output,
    );
    assert.equal(await readFile(at("ctl/a"), "utf8"), "second");
  });
});
