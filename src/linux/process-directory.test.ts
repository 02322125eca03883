import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryDirectory } from "../io/index.ts";
import { ProcessDirectory } from "./index.ts";

const removeTree = (path: string): void => rmSync(path, { recursive: true, force: true });
const all = { own: removeTree, left: removeTree };

/** A process that has a directory with a file in it, and waits. */
async function holder(parent: string): Promise<{ kill(): Promise<void> }> {
  const script = `
    import { writeFileSync } from "node:fs";
    import { ProcessDirectory } from ${JSON.stringify(new URL("index.ts", import.meta.url).href)};
    const own = new ProcessDirectory(process.argv[1], { own: () => undefined, left: () => undefined });
    writeFileSync(own.path + "/file", "");
    console.log("ready");
    setInterval(() => own.path, 1000);`;
  const args = ["--input-type=module-typescript", "-e", script, parent];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    kill: async () => {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

test("a process has its own directory; those of live processes are kept, those of dead ones removed", async () => {
  await using directory = await temporaryDirectory("varve-process-directory-");
  const parent = join(directory.path, "parent");
  const other = await holder(parent);
  const before = readdirSync(parent);
  {
    using own = new ProcessDirectory(parent, all);
    writeFileSync(join(own.path, "mine"), "");
    assert.equal(own.path, own.path);
    assert.equal(readdirSync(parent).length, before.length + 2);
  }
  assert.deepEqual(readdirSync(parent), before);
  using watching = new ProcessDirectory(parent, all);
  const name = before.find((each) => !each.endsWith(".lock")) ?? "";
  assert.equal(watching.isAlive(name), true);
  assert.deepEqual([...watching.abandoned()], []);
  await other.kill();
  assert.equal(watching.isAlive(name), false);
  assert.deepEqual([...watching.abandoned()], [join(parent, name)]);
  assert.equal(watching.isAlive("never-was"), false);
  assert.deepEqual(readdirSync(parent), before);
  using own = new ProcessDirectory(parent, all);
  assert.ok(existsSync(own.path));
  assert.equal(readdirSync(parent).length, 2);
  assert.ok(!readdirSync(parent).some((name) => before.includes(name)));
});

test("what cannot be removed is tried again by the next", async () => {
  await using directory = await temporaryDirectory("varve-process-directory-");
  const kept = { own: () => undefined, left: () => undefined };
  {
    using own = new ProcessDirectory(directory.path, kept);
    mkdirSync(join(own.path, "busy"));
  }
  assert.equal(readdirSync(directory.path).length, 2);
  using own = new ProcessDirectory(directory.path, all);
  assert.ok(existsSync(own.path));
  assert.equal(readdirSync(directory.path).length, 2);
});
