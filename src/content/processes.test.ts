import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { flipBit } from "../../testing/contracts/content-damage.ts";
import { digestOf, isVarveError } from "../core/index.ts";
import { temporaryDirectory } from "../io/index.ts";
import { openState } from "../state/index.ts";
import { openContentStore } from "./index.ts";

const PRELUDE = `
import { openContentStore } from ${JSON.stringify(new URL("index.ts", import.meta.url).href)};
import { openState } from ${JSON.stringify(new URL("../state/index.ts", import.meta.url).href)};
const [root, name] = process.argv.slice(1);
const state = openState(root + "/state.db");
const store = openContentStore(root, state);
`;

function start(script: string, root: string, name = "", shell = ""): ChildProcess {
  const args = ["--input-type=module-typescript", "-e", PRELUDE + script, root, name];
  const stdio = ["ignore", "pipe", "inherit"] as const;
  if (shell === "") return spawn(process.execPath, args, { stdio: [...stdio] });
  return spawn("/bin/sh", ["-c", `${shell}; exec "$@"`, "sh", process.execPath, ...args], { stdio: [...stdio] });
}

async function finish(child: ChildProcess): Promise<string> {
  let out = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  const [code] = await once(child, "close");
  assert.equal(code, 0, out);
  return out;
}

/** Writes blobs, half of them the same as the other writers', and fails if a leased one goes. */
const WRITER = `
for (let round = 0; round < 12; round++) {
  await using lease = await store.lease();
  const texts = ["shared " + round, name + round, "a", "b"];
  const infos = await Promise.all(texts.map((text) => store.put(Buffer.from(text), { lease })));
  store.link(infos[0].digest, [infos[1].digest]);
  for (let look = 0; look < 5; look++) {
    await new Promise((resolve) => setTimeout(resolve, 2));
    for (const [i, { digest }] of infos.entries()) {
      let text = "";
      for await (const chunk of store.open(digest)) text += Buffer.from(chunk);
      if (text !== texts[i]) throw new Error("lost " + texts[i]);
    }
  }
}`;

test("collections never remove what writers in other processes hold, and leave no garbage", async () => {
  await using dir = await temporaryDirectory();
  using state = openState(join(dir.path, "state.db"));
  const store = openContentStore(dir.path, state);
  const writers = ["x", "y", "z"].map((name) => finish(start(WRITER, dir.path, name)));
  const finished = new AbortController();
  const done = Promise.all(writers).finally(() => {
    finished.abort();
  });
  let collected = 0;
  while (!finished.signal.aborted) collected += (await store.collect()).blobs;
  await done;
  collected += (await store.collect()).blobs;
  assert.ok(collected >= 3 * 12, `only ${collected} blobs were collected`);
  assert.deepEqual([...store.walk()], []);
  assert.deepEqual(readdirSync(join(dir.path, "content/blobs/sha256")), []);
  assert.deepEqual(readdirSync(join(dir.path, "content/ingest")), []);
  assert.equal(state.get("SELECT 1 FROM edge"), undefined);
});

test("a process killed while it quarantines a damaged blob leaves a consistent store", async () => {
  for (const step of ["before", "after"] as const) {
    await using dir = await temporaryDirectory();
    using state = openState(join(dir.path, "state.db"));
    const store = openContentStore(dir.path, state);
    const { digest } = await store.put(Buffer.alloc(100_000, "a"));
    flipBit(store.path(digest), 5);
    const child = start(
      `const { run } = state;
       state.run = (sql, ...values) => {
         const dies = sql.startsWith("DELETE FROM blob ");
         if (dies && name === "before") process.kill(process.pid, "SIGKILL");
         const result = run.call(state, sql, ...values);
         if (dies) process.kill(process.pid, "SIGKILL");
         return result;
       };
       await store.check(${JSON.stringify(digest)});`,
      dir.path,
      step,
    );
    const [, signal] = await once(child, "close");
    assert.equal(signal, "SIGKILL");
    assert.equal(store.info(digest), undefined);
    assert.deepEqual([...store.walk()], []);
    assert.equal((await store.quarantined()).length, 1);
    await store.put(Buffer.alloc(100_000, "a"));
    assert.deepEqual((await store.verify()).damaged, []);
  }
});

test("processes that read a damaged blob and write it again never lose the one that was written", async () => {
  await using dir = await temporaryDirectory();
  using state = openState(join(dir.path, "state.db"));
  const store = openContentStore(dir.path, state);
  const { digest } = await store.put(Buffer.alloc(500_000, "a"));
  const script = `
    for (let round = 0; round < 20; round++) await store.check(${JSON.stringify(digest)});`;
  const readers = ["x", "y"].map((name) => finish(start(script, dir.path, name)));
  const done = Promise.all(readers);
  for (let round = 0; round < 20; round += 1) {
    flipBit(store.path(digest), round);
    await store.put(Buffer.alloc(500_000, "a"));
    assert.ok(store.info(digest) !== undefined);
  }
  await done;
  assert.deepEqual((await store.verify()).damaged, []);
  assert.ok(store.info(digest) !== undefined);
});

test("an ingest whose process is killed is locked until then, and resumed after", async () => {
  await using dir = await temporaryDirectory();
  using state = openState(join(dir.path, "state.db"));
  const store = openContentStore(dir.path, state);
  const child = start(
    `const ingest = await store.ingest("layer");
     await ingest.write(Buffer.alloc(200000, "a"));
     console.log(ingest.offset);
     setInterval(() => ingest, 1000);`,
    dir.path,
  );
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  await assert.rejects(store.ingest("layer"), (error) => isVarveError(error, "busy"));
  child.kill("SIGKILL");
  await once(child, "close");
  const whole = Buffer.alloc(300_000, "a");
  await using ingest = await store.ingest("layer", { expected: { digest: digestOf(whole), size: whole.length } });
  assert.equal(ingest.offset, 200_000);
  await ingest.write(whole.subarray(ingest.offset));
  assert.equal((await ingest.commit()).size, 300_000);
});

test("what a killed process held and wrote goes at the next collection; what a living one does stays", async () => {
  await using dir = await temporaryDirectory();
  using state = openState(join(dir.path, "state.db"));
  using store = openContentStore(dir.path, state);
  const script = `
    const lease = await store.lease();
    await store.put(Buffer.from(name), { lease });
    async function* endless() {
      yield Buffer.alloc(200000, name);
      console.log("ready");
      await new Promise((resolve) => setInterval(resolve, 2 ** 30));
    }
    await store.put(endless());`;
  const ready = async (name: string): Promise<ChildProcess> => {
    const child = start(script, dir.path, name);
    assert.ok(child.stdout);
    await once(child.stdout, "data");
    return child;
  };
  const [killed, alive] = [await ready("killed"), await ready("alive")];
  const kill = async (child: ChildProcess): Promise<void> => {
    child.kill("SIGKILL");
    await once(child, "close");
  };
  const held = (): string[] => [...store.walk()].map(({ digest }) => digest);
  assert.equal((await store.collect()).freed, 0);
  assert.equal(held().length, 2);
  await kill(killed);
  const { blobs, freed } = await store.collect();
  assert.deepEqual([blobs, freed], [1, "killed".length + 200_000]);
  assert.deepEqual(held(), [digestOf("alive")]);
  assert.equal(state.all("SELECT 1 FROM lease").length, 1);
  await kill(alive);
  store.expireLeases();
  assert.deepEqual(state.all("SELECT 1 FROM lease"), []);
  await store.collect();
  assert.deepEqual([held(), readdirSync(join(dir.path, "content/writers"))], [[], []]);
});

test("a full disk throws storage, and no bytes of the blob remain", async () => {
  await using dir = await temporaryDirectory();
  openState(join(dir.path, "state.db")).close();
  const script = `
    for (const ref of ["r", undefined])
      await store.put(Buffer.alloc(3000000), ref && { ref }).then(() => console.log("stored"), (error) => console.log(error.code));`;
  // A limit on the size of files stands in for a full disk: both fail a write in the same way.
  const out = await finish(start(script, dir.path, "", "ulimit -f 2048"));
  assert.equal(out, "storage\nstorage\n");
  using state = openState(join(dir.path, "state.db"));
  assert.deepEqual([...openContentStore(dir.path, state).walk()], []);
  assert.deepEqual(readdirSync(join(dir.path, "content/ingest")), []);
});
