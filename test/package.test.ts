import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, globSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { publint } from "publint";
import { packPackage, stagePackage } from "../scripts/lib/package.ts";
import { PROGRAMS, programName } from "../testing/package-programs.ts";
import { type TemporaryDirectory, temporaryDirectory } from "../src/io/index.ts";

const { exports: entryPoints, version } = JSON.parse(readFileSync("package.json", "utf8")) as {
  exports: Record<string, string>;
  version: string;
};
const UNREACHABLE =
  /ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|E4\d\d|E5\d\d/;
/** Options of `tsc` for a user of the package; the package's declarations are checked too. */
const STRICT = [
  "--noEmit",
  "--strict",
  "--module",
  "nodenext",
  "--target",
  "es2024",
  "--lib",
  "es2024,esnext",
  "--types",
  "node",
];
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
    await stagePackage(staged);
    mkdirSync(project);
    writeFileSync(join(project, "package.json"), '{ "type": "module", "private": true }');
    skipped = install(packPackage(staged, directory.path));
    if (skipped !== undefined) return;
    mkdirSync(join(project, "node_modules/@types"), { recursive: true });
    symlinkSync(resolve("node_modules/@types/node"), join(project, "node_modules/@types/node"));
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
    for (const file of ["bin/varve.js", "LICENSE", "dist/command/main.cjs", "dist/library/index.d.ts"])
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

  test("a command opens few files of the package, and one that a server executes only what hands it over", async (t) => {
    if (skipped !== undefined) return t.skip(skipped);
    if (spawnSync("strace", ["-V"]).status !== 0) return t.skip("strace is not installed");
    const root = join(project, "counted");
    mkdirSync(join(project, "counted-context"));
    writeFileSync(join(project, "counted-context/Dockerfile"), "FROM scratch\nCOPY Dockerfile /\n");
    const opened = (...args: readonly string[]): string[] => {
      const trace = join(project, "trace");
      const command = ["node_modules/.bin/varve", "--root", root, ...args];
      const { status, stderr } = runIn("strace", "-f", "-qq", "-o", trace, "-e", "trace=openat", ...command);
      assert.equal(status, 0, stderr);
      const paths = readFileSync(trace, "utf8").matchAll(/openat\([^"]*"([^"]*node_modules[^"]*)"[^)]*\) = \d/g);
      return [...paths].map(([, path = ""]) => path.replace(/.*node_modules\//, ""));
    };
    const build = ["build", "-q", "counted-context"];
    opened(...build);
    for (const [most, ...args] of [
      [8, "version"],
      [20, "images"],
      [20, ...build],
    ] as const) {
      const files = opened(...args.map(String));
      assert.ok(files.length > 0 && files.length <= most, `${args.join(" ")}: ${files.join(" ")}`);
    }
    const server = spawn("node_modules/.bin/varve", ["--root", root, "serve", "--docker", `unix://${root}/d.sock`], {
      cwd: project,
      stdio: "ignore",
    });
    const ended = once(server, "exit");
    while (!existsSync(join(root, "command.sock")) && server.exitCode === null) await sleep(20);
    const files = opened(...build);
    assert.ok(files.length > 0 && files.length <= 6, files.join(" "));
    assert.ok(!files.some((file) => file.endsWith("main.cjs")), files.join(" "));
    server.kill();
    await ended;
  });

  /** Programs, by the names that their files get in the project. */
  type Programs = Readonly<Record<string, string>>;

  function checkTypes(programs: Programs): void {
    for (const [name, text] of Object.entries(programs)) writeFileSync(join(project, name), text);
    const types = runIn(resolve("node_modules/.bin/tsc"), ...STRICT, ...Object.keys(programs));
    assert.equal(types.status, 0, types.stdout);
  }

  /** Runs a program; returns what it printed. */
  function printedBy(name: string): string {
    const { status, stdout, stderr } = runIn(process.execPath, name);
    assert.equal(status, 0, `${name}: ${stderr}`);
    return stdout;
  }

  /** The code blocks of a page that are TypeScript. */
  function examplesOf(page: string): Programs {
    const blocks = [...readFileSync(page, "utf8").matchAll(/^```ts\n(.*?)^```$/gms)];
    return Object.fromEntries(
      blocks
        .filter(([, text = ""]) => /from "varve[/"]/.test(text))
        .map(([, text = ""], index) => [
          `example-${page.replace(/\W/g, "-")}-${index}.ts`,
          text.replaceAll("/var/lib/varve", join(project, "root")),
        ]),
    );
  }

  test("each entry point is enough for a program of its own", (t) => {
    if (skipped !== undefined) return t.skip(skipped);
    assert.deepEqual(Object.keys(PROGRAMS), Object.keys(entryPoints).map(programName));
    checkTypes(Object.fromEntries(Object.entries(PROGRAMS).map(([name, { text }]) => [`${name}.ts`, text])));
    for (const [name, { prints }] of Object.entries(PROGRAMS)) assert.match(printedBy(`${name}.ts`), prints, name);
  });

  test("the examples of README.md have correct types, and run", (t) => {
    if (skipped !== undefined) return t.skip(skipped);
    const examples = examplesOf("README.md");
    assert.ok(Object.keys(examples).length > 0, "README.md has no example");
    checkTypes(examples);
    writeFileSync(join(project, "Dockerfile"), "FROM scratch\nCOPY package.json /\n");
    for (const name of Object.keys(examples)) printedBy(name);
  });

  test("the examples of docs/ and of READMEs of modules that import the package have correct types", (t) => {
    if (skipped !== undefined) return t.skip(skipped);
    const pages = [...globSync("docs/*.md"), ...globSync("src/*/README.md")];
    checkTypes(Object.assign({}, ...pages.map(examplesOf)) as Programs);
  });
});
