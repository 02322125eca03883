import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { sharedVarve } from "../../testing/varve.ts";

const { skip, varve, base } = await sharedVarve();

const GENERATOR = "varve.test/generator:1";
/** Writes a statement for each filesystem that it is given, with what it was told and the files that it sees. */
const SCRIPT = `set -e
[ "$(id -u)" = 0 ]
if touch "$BUILDKIT_SCAN_SOURCE/new" 2>/dev/null; then exit 3; fi
for source in "$BUILDKIT_SCAN_SOURCE" \${BUILDKIT_SCAN_SOURCE_EXTRAS:+"$BUILDKIT_SCAN_SOURCE_EXTRAS"/*}; do
  name=$(basename "$source")
  files=$(cd "$source" && find . -type f | sort | tr '\\n' ' ')
  echo '{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://spdx.dev/Document","predicate":{' \\
    "\\"name\\":\\"$name\\",\\"comment\\":\\"$BUILDKIT_SCAN_FOO\\",\\"seen\\":\\"$files\\"}}" \\
    > "$BUILDKIT_SCAN_DESTINATION/$name.spdx.json"
done
`;

interface Statement {
  readonly predicateType: string;
  readonly subject: readonly { readonly name: string }[];
  readonly predicate: { readonly name: string; readonly comment?: string; readonly seen?: string };
}

/** Reads a blob of the store that the tests share. */
async function blob<T>(digest: string): Promise<T> {
  const [algorithm = "", hex = ""] = digest.split(":");
  return JSON.parse(await readFile(join(varve.root, "content/blobs", algorithm, hex), "utf8")) as T;
}

async function statements(...args: readonly string[]): Promise<Statement[]> {
  const { metadata } = await varve.build(args);
  const index = await blob<{ manifests: { digest: string }[] }>(metadata["containerimage.digest"] as string);
  const manifest = await blob<{ layers: { digest: string }[] }>(index.manifests.at(-1)?.digest ?? "");
  return await Promise.all(manifest.layers.map(({ digest }) => blob<Statement>(digest)));
}

describe("SBOMs", { skip }, () => {
  before(async () => {
    const dockerfile = `FROM ${base}\nCOPY scan.sh /scan.sh\nUSER nobody\nWORKDIR /etc\nENTRYPOINT ["/bin/sh"]\nCMD ["/scan.sh"]\n`;
    await varve.build(["-t", GENERATOR, await varve.context("generator", dockerfile, { "scan.sh": SCRIPT })]);
  });

  test("come from a generator that scans the result, stages and the context", async () => {
    const dockerfile = `ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
FROM ${base} AS build
ARG BUILDKIT_SBOM_SCAN_STAGE=true
COPY f /built
FROM scratch
COPY --from=build /built /result
COPY g /g
`;
    const folder = await varve.context("scanned", dockerfile, { f: "f", g: "g", unused: "u" });
    const made = await statements(
      `--sbom=generator=${GENERATOR},FOO=bar`,
      "--provenance=true",
      "-t",
      "scanned",
      folder,
    );
    const [core, ...others] = made;
    const sboms = [core, ...others.slice(0, -1)].map((each) => each?.predicate);
    assert.deepEqual(
      sboms.map((each) => [each?.name, each?.comment]),
      [
        ["sbom", "bar"],
        ["sbom-build", "bar"],
        ["sbom-context", "bar"],
      ],
    );
    assert.equal(core?.predicateType, "https://spdx.dev/Document");
    assert.match(core?.subject[0]?.name ?? "", /^pkg:docker\/scanned@latest/);
    assert.equal(core?.predicate.seen, "./g ./result ");
    assert.match(sboms[1]?.seen ?? "", /\.\/built /);
    assert.equal(sboms[2]?.seen, "./f ./g ");
    assert.equal(made.at(-1)?.predicateType, "https://slsa.dev/provenance/v1");
    const materials = JSON.stringify(made.at(-1)?.predicate);
    assert.match(materials, /pkg:docker\/varve\.test\/generator@1/);
  });

  test("are made anew only if what is scanned has changed", async () => {
    const folder = await varve.context("cached", "FROM scratch\nCOPY f /f\n", { f: "cached" });
    const args = [`--sbom=generator=${GENERATOR}`, "-t", "cached", folder];
    const scan = async (): Promise<string | undefined> =>
      (await varve.build(args)).steps.find(({ name }) => name.includes("generating sbom using"))?.status;
    assert.equal(await scan(), "run");
    assert.equal(await scan(), "hit");
  });

  test("list packages without a generator if the default one cannot be pulled", async () => {
    const installed = "P:musl\\nV:1.2.5-r0\\nA:x86_64\\n";
    const dockerfile = `FROM ${base}\nRUN mkdir -p /lib/apk/db && printf '${installed}' > /lib/apk/db/installed\n`;
    const folder = await varve.context("offline", dockerfile);
    const at = join(varve.folder, "offline-out");
    const args = ["--sbom=true", "-t", "offline", "-o", "type=image", "-o", `type=local,dest=${at}`, folder];
    // Nothing listens there.
    const env = { HTTPS_PROXY: "http://127.0.0.1:1" };
    const build = async (): Promise<unknown> => (await varve.build(args, { env })).metadata["containerimage.digest"];
    const digest = await build();
    const index = await blob<{ manifests: { digest: string }[] }>(digest as string);
    const manifest = await blob<{ layers: { digest: string }[] }>(index.manifests.at(-1)?.digest ?? "");
    const text = JSON.stringify(await blob(manifest.layers[0]?.digest ?? ""));
    assert.match(text, /"referenceLocator":"pkg:apk\/alpine\/musl@1\.2\.5-r0\?arch=x86_64"/);
    assert.match(text, /"fileName":"\/lib\/apk\/db\/installed".*"comment":"layerID: sha256:[0-9a-f]{64}"/);
    const local = await readFile(join(at, "sbom.spdx.json"), "utf8");
    assert.match(local, /pkg:apk\/alpine\/musl@/);
    assert.equal(await build(), digest);
  });

  test("list the packages of stages and of the context without a generator too", async () => {
    const installed = (name: string): string => `P:${name}\nV:1.0-r0\nA:x86_64\n`;
    const dockerfile = `ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
FROM scratch AS build
ARG BUILDKIT_SBOM_SCAN_STAGE=true
COPY stage/ /lib/apk/db/
FROM scratch
COPY --from=build /lib/apk/db/installed /copied
COPY package-lock.json /
`;
    const lock = { lockfileVersion: 3, packages: { "node_modules/left-pad": { version: "1.3.0" } } };
    const folder = await varve.context("offline-extras", dockerfile, {
      "stage/installed": installed("musl"),
      "package-lock.json": JSON.stringify(lock),
    });
    const env = { HTTPS_PROXY: "http://127.0.0.1:1" };
    const at = join(varve.folder, "offline-extras-out");
    const build = async (): Promise<unknown> =>
      (
        await varve.build(["--sbom=true", "-t", "extras", "-o", "type=image", "-o", `type=local,dest=${at}`, folder], {
          env,
        })
      ).metadata["containerimage.digest"];
    const digest = await build();
    const index = await blob<{ manifests: { digest: string }[] }>(digest as string);
    const { layers } = await blob<{ layers: { digest: string }[] }>(index.manifests.at(-1)?.digest ?? "");
    const made = await Promise.all(layers.map((layer) => blob<Statement>(layer.digest)));
    assert.deepEqual(
      made.map(({ predicate }) => predicate.name),
      ["sbom", "sbom-build", "sbom-context"],
    );
    assert.match(JSON.stringify(made[1]), /pkg:apk\/[^"]*musl@1\.0-r0/);
    assert.deepEqual((await readdir(at)).filter((name) => name.endsWith(".json") && name.startsWith("sbom")).sort(), [
      "sbom-build.spdx.json",
      "sbom-context.spdx.json",
      "sbom.spdx.json",
    ]);
    assert.equal(await build(), digest);
  });

  test("are refused if the generator does not work", async () => {
    const folder = await varve.context("broken", "FROM scratch\nCOPY f /f\n", { f: "broken" });
    const why = async (generator: string, dockerfile?: string): Promise<string> => {
      if (dockerfile !== undefined)
        await varve.build(["-t", generator, await varve.context(generator, `FROM ${base}\n${dockerfile}\n`)]);
      const { code, stderr } = await varve.run(["build", `--sbom=generator=${generator}`, folder]);
      assert.notEqual(code, 0);
      return stderr;
    };
    assert.match(await why(""), /sbom generator cannot be empty/);
    assert.match(
      await why("silent", "ENTRYPOINT []\nCMD []"),
      /scanner docker\.io\/library\/silent:latest does not have cmd/,
    );
    assert.match(await why("text", "CMD echo text > /run/out/a.spdx.json"), /cannot decode in-toto statement/);
    assert.match(await why("wrong", "CMD exit 3"), /exit code: 3/);
  });
});
