import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { tryLockFile } from "./index.ts";

test("a lock excludes others of the same process until it is released", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "lock");
  {
    using held = tryLockFile(path);
    assert.notEqual(held, undefined);
    assert.equal(tryLockFile(path), undefined);
  }
  using again = tryLockFile(path);
  assert.notEqual(again, undefined);
});

test("a lock excludes other processes and goes with its own, even by SIGKILL", async () => {
  await using dir = await temporaryDirectory();
  const path = join(dir.path, "lock");
  const script = `
    import { tryLockFile } from ${JSON.stringify(new URL("index.ts", import.meta.url).href)};
    const lock = tryLockFile(process.argv[1]);
    console.log(lock !== undefined);
    setInterval(() => lock, 1000);`;
  const holder = spawn(process.execPath, ["--input-type=module-typescript", "-e", script, path], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [said] = (await once(holder.stdout, "data")) as [Buffer];
  assert.equal(said.toString(), "true\n");
  assert.equal(tryLockFile(path), undefined);
  holder.kill("SIGKILL");
  await once(holder, "close");
  using free = tryLockFile(path);
  assert.notEqual(free, undefined);
});

test("a lock in a directory that is not there is an error, not a refusal", () => {
  assert.throws(
    () => tryLockFile("/nonexistent/lock"),
    (error) => isVarveError(error, "storage"),
  );
});
