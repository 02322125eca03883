import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { publint } from "publint";
import { packPackage, stagePackage } from "../scripts/lib/package.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../src/io/index.ts";

const { exports: doors, version } = JSON.parse(readFileSync("package.json", "utf8")) as {
  exports: Record<string, string>;
  version: string;
};
const UNREACHABLE =
  /ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|E4\d\d|E5\d\d/;
const QUICKLY = ["--fetch-retries=1", "--fetch-timeout=20000", "--no-audit", "--no-fund", "--ignore-scripts"];

/** The published package in a folder of its own, as a user gets it. */
suite("the packed package", () => {
  let directory: TemporaryDirectory;
  let staged = "";
  let project = "";
  let skipped: string | undefined;

  before(async () => {
    directory = await temporaryDirectory("varve-package-");
    staged = join(directory.path, "staged");
    project = join(directory.path, "project");
    stagePackage(staged);
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), '{ "type": "module", "private": true }');
    skipped = install(packPackage(staged, directory.path));
  });
  after(async () => await directory[Symbol.asyncDispose]());

  const runIn = (program: string, ...args: readonly string[]): SpawnSyncReturns<string> =>
    spawnSync(program, args, {
      cwd: project,
      encoding: "utf8",
      env: { ...process.env, VARVE_ROOT: join(project, "root") },
    });

  /** From npm's cache where it has what is needed, else from its registry. The reason if neither can be had. */
  function install(tarball: string): string | undefined {
    const offline = runIn("npm", "install", "--offline", ...QUICKLY, tarball);
    const { status, stderr } =
      offline.status === 0 ? offline : runIn("npm", "install", "--prefer-offline", ...QUICKLY, tarball);
    if (status === 0) return undefined;
    assert.match(stderr, UNREACHABLE, stderr);
    return "dependencies are neither in npm's cache nor to be had from its registry";
  }

  test("publint finds nothing", async () => {
    assert.deepEqual((await publint({ pkgDir: staged, strict: true })).messages, []);
  });

  test("holds what runs and its types, and neither sources nor tests", () => {
    const files = readdirSync(staged, { recursive: true, encoding: "utf8" });
    assert.ok(files.length > 300, String(files.length));
    assert.deepEqual(
      files.filter((file) => file.includes(".test.") || (file.endsWith(".ts") && !file.endsWith(".d.ts"))),
      [],
    );
    for (const file of ["bin/varve.js", "LICENSE", "dist/cli/main.js", "dist/library/index.d.ts"])
      assert.ok(files.includes(file), file);
  });

  test("the command runs compiled, and calls the system through its dependencies", (t) => {
    if (skipped !== undefined) return t.skip(skipped);
    const { stdout, stderr, status } = runIn("node_modules/.bin/varve", "version");
    assert.equal(stderr, "");
    assert.ok(stdout.startsWith(`varve ${version} (node `), stdout);
    assert.equal(status, 0);
    const doctor = runIn("node_modules/.bin/varve", "doctor", "--format", "json");
    assert.ok([0, 5].includes(doctor.status ?? -1), doctor.stderr);
    assert.equal((JSON.parse(doctor.stdout) as { root: string }).root, join(project, "root"));
    assert.equal(runIn("node_modules/.bin/varve", "images").status, 0);
  });

  test("a layer is unpacked in a thread", (t) => {
    if (skipped !== undefined) return t.skip(skipped);
    writeFileSync(
      join(project, "unpack.js"),
      `import { mkdirSync, readFileSync, readdirSync } from "node:fs";
import { applyLayer, writeTar } from "varve/layer";
mkdirSync("tree");
await applyLayer(writeTar([{ path: "file", body: "content" }]), "tree", { format: "plain", chown: false });
const threads = readdirSync("/proc/self/task").map((task) => readFileSync(\`/proc/self/task/\${task}/comm\`, "utf8").trim());
console.log(readFileSync("tree/file", "utf8"), threads.includes("varve-layer"));
`,
    );
    const { stdout, stderr } = runIn(process.execPath, "unpack.js");
    assert.deepEqual([stdout, stderr], ["content true\n", ""]);
  });

  test("every door opens, with types", (t) => {
    if (skipped !== undefined) return t.skip(skipped);
    const names = Object.keys(doors).map((door) => `varve${door.slice(1)}`);
    const lines = names.map(
      (name, index) =>
        `import * as door${index} from "${name}";\nexport const names${index}: string[] = Object.keys(door${index});`,
    );
    const counts = `for (const names of [${names.map((_, index) => `names${index}`).join(", ")}]) if (names.length === 0) throw new Error("empty");`;
    writeFileSync(
      join(project, "user.ts"),
      `${lines.join("\n")}\n${counts}\nexport const built: Promise<door0.BuildResult> | undefined = undefined;\n`,
    );
    const run = runIn(process.execPath, "user.ts");
    assert.equal(run.status, 0, run.stderr);
    mkdirSync(join(project, "node_modules/@types"), { recursive: true });
    symlinkSync(resolve("node_modules/@types/node"), join(project, "node_modules/@types/node"));
    const strict = [
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--module",
      "nodenext",
      "--target",
      "es2024",
      "--lib",
      "es2024,esnext",
      "--types",
      "node",
    ];
    const types = runIn(resolve("node_modules/.bin/tsc"), ...strict, "user.ts");
    assert.equal(types.status, 0, types.stdout);
    assert.ok(readdirSync(join(project, "node_modules/varve")).includes("dist"));
  });
});
