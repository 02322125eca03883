import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { Varve } from "../../testing/varve.ts";

test("prints the commands: without arguments as a usage error, with --help as help", async () => {
  await using varve = await Varve.open();
  const [bare, help] = await Promise.all([varve.run([]), varve.run(["--help"])]);
  assert.equal(bare.code, 2);
  assert.equal(help.code, 0);
  assert.equal(bare.stdout, help.stdout);
  for (const name of ["build", "images", "prune", "doctor", "version"])
    assert.match(help.stdout, new RegExp(`^  ${name} +\\S`, "m"));
});

test("every command has help with an example or a usage line, before any store is opened", async () => {
  await using varve = await Varve.open();
  const { stdout } = await varve.run(["--help"]);
  const names = [...stdout.matchAll(/^ {2}([a-z]+) {2,}/gm)].map((match) => match[1] ?? "");
  assert.ok(names.length >= 12, names.join(" "));
  const helped = async (name: string): Promise<void> => {
    const { code, stdout } = await varve.run(["--root", "/proc/nowhere", name, "--help"]);
    assert.equal(code, 0, name);
    assert.ok(stdout.startsWith(`Usage: varve ${name}`), name);
    if (name !== "version") assert.match(stdout, /^Example: varve /m, name);
  };
  await Promise.all(names.map(helped));
});

test("a usage error exits with 2 and shows the expected form", async () => {
  await using varve = await Varve.open();
  const cases: readonly [string[], RegExp][] = [
    [["nope"], /no such command; see varve --help/],
    [["--nope", "build"], /Unknown option '--nope'/],
    [["--snapshotter", "zfs", "images"], /expected overlay or copy/],
    [["build"], /expected exactly one PATH, URL or -/],
    [["build", "a", "b"], /expected exactly one PATH, URL or -/],
    [["build", "--progress", "loud", "."], /expected one of auto, tty, plain, rawjson, quiet/],
    [["images", "--format", "yaml"], /expected table or json/],
    [["doctor", "x"], /expected no arguments/],
    [["tag", "a"], /expected varve tag SOURCE NAME/],
  ];
  const refused = async ([argv, message]: (typeof cases)[number]): Promise<void> => {
    const { code, stderr, stdout } = await varve.run(argv);
    assert.deepEqual([code, stdout], [2, ""], argv.join(" "));
    assert.match(stderr, message);
  };
  await Promise.all(cases.map(refused));
});

test("the version is package.json's", async () => {
  await using varve = await Varve.open();
  const { code, stdout } = await varve.run(["version"]);
  assert.equal(code, 0);
  assert.match(stdout, /^varve \d+\.\d+\.\d+ \(node \d+\.\d+\.\d+, linux\/\w+\)\n$/);
});

test("a configuration given by --config must exist and be valid; the root's may be absent", async () => {
  await using varve = await Varve.open();
  const broken = join(varve.folder, "broken.json");
  await writeFile(broken, "{");
  const absent = await varve.run(["--config", join(varve.folder, "absent.json"), "images"]);
  assert.equal(absent.code, 2);
  assert.match(absent.stderr, /Cannot read configuration .*absent\.json: ENOENT/);
  const wrong = await varve.run(["--config", broken, "images"]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /it is not JSON/);
  assert.equal((await varve.run(["images"])).code, 0);
});

test("a store that cannot be created exits with 5, an unknown image does not", async () => {
  await using varve = await Varve.open();
  await writeFile(join(varve.folder, "file"), "");
  assert.equal((await varve.run(["--root", join(varve.folder, "file/root"), "images"])).code, 5);
  const { code, stderr } = await varve.run(["inspect", "nobody/nothing:1"]);
  assert.equal(code, 3);
  assert.match(stderr, /^ERROR: Cannot /);
});

test("a closed output pipe is not an error", async () => {
  await using varve = await Varve.open();
  const child = varve.start(["--help"]);
  child.stdout?.destroy();
  const stderr: Buffer[] = [];
  child.stderr?.on("data", (chunk: Buffer) => stderr.push(chunk));
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on("close", resolve);
  assert.equal(await promise, 0);
  assert.equal(Buffer.concat(stderr).toString(), "");
});
