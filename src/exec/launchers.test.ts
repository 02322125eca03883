import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { descendantsOf, waitUntilGone } from "../../testing/leftovers.ts";
import { temporaryDirectory } from "../io/index.ts";
import { findProgram, isRootUser } from "../linux/index.ts";
import { launch } from "./launch.ts";
import { Launchers } from "./launchers.ts";

const [setpriv, unshare, shell] = await Promise.all(["setpriv", "unshare", "sh"].map((name) => findProgram(name)));
const skip =
  isRootUser() && setpriv !== undefined && unshare !== undefined && shell !== undefined ? false : "needs root";
const tools = { setpriv: setpriv ?? "", unshare: unshare ?? "", shell: shell ?? "" };

test("a launcher that waits is taken once, and ends with the others", { skip }, async () => {
  await using directory = await temporaryDirectory();
  const launchers = new Launchers((input) => launch(tools, directory.path, input));
  launchers.prepare();
  launchers.prepare();
  const [spare] = descendantsOf(process.pid, { depth: 1 });
  const one = await launchers.take();
  assert.equal(one.pid, spare, "only one was started");
  const other = await launchers.take();
  assert.notEqual(other.pid, one.pid);
  launchers.prepare();
  await Promise.all([one.ready(), other.ready()]);
  for (const part of [one, other, launchers]) await part[Symbol.asyncDispose]();
  assert.deepEqual(descendantsOf(process.pid), []);
  launchers.prepare();
  assert.deepEqual(descendantsOf(process.pid), [], "nothing starts after the end");
});

test("a launcher that was killed while it waited is replaced", { skip }, async () => {
  await using directory = await temporaryDirectory();
  await using launchers = new Launchers((input) => launch(tools, directory.path, input));
  launchers.prepare();
  const [spare = 0] = descendantsOf(process.pid, { depth: 1 });
  process.kill(spare, "SIGKILL");
  await waitUntilGone([spare]);
  await sleep(0);
  await using next = await launchers.take();
  assert.notEqual(next.pid, spare);
  assert.ok((await next.ready()) > 0);
});
