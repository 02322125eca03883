import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { MessageChannel } from "node:worker_threads";
import { isVarveError, VarveError } from "../../core/index.ts";
import { type Bytes, temporaryDirectory } from "../../io/index.ts";
import { isRootUser } from "../../linux/index.ts";
import { applyLayer } from "../apply.ts";
import type { ApplyJob } from "../apply-job.ts";
import { type DiffJob, runDiffJob } from "../diff-job.ts";
import { writeTar } from "../tar/write.ts";
import { JobChannel } from "./job-channel.ts";
import { packError, unpackError } from "./packed-error.ts";
import { applyInThread, diffInThread } from "./run-in-thread.ts";

const run = promisify(execFile);

async function collect(bytes: Bytes): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function apply(directory: string): ApplyJob {
  const how = {
    format: "plain",
    lowerView: undefined,
    userXattr: false,
    chown: false,
    diffId: undefined,
    what: "the layer",
  } as const;
  return { kind: "apply", directory, ...how };
}

/** Files with so much in them that they are never all on their way between two threads. */
async function fill(directory: string): Promise<void> {
  await mkdir(join(directory, "small"), { recursive: true });
  for (let at = 0; at < 600; at += 1) await writeFile(join(directory, "small", `${at}`), `${at}`.repeat(at));
  await writeFile(join(directory, "large"), Buffer.alloc(9_000_001, "large"));
  await writeFile(join(directory, "large-2"), Buffer.alloc(9_000_000, "larger"));
}

test("a thread gives the same archive as this one, and unpacks it to the same tree", async () => {
  await using folder = await temporaryDirectory("varve-worker-");
  const [tree, copy] = [join(folder.path, "tree"), join(folder.path, "copy")];
  await fill(tree);
  await mkdir(copy);
  const job: DiffJob = { kind: "diff", lower: undefined, upper: tree, overlay: undefined };
  const expected = await collect(runDiffJob(job, undefined));
  assert.ok((await collect(diffInThread(job, undefined))).equals(expected));
  await applyInThread(diffInThread(job, undefined), apply(copy), undefined);
  assert.ok((await collect(runDiffJob({ ...job, upper: copy }, undefined))).equals(expected));
});

test("what is handed to a thread stays whole here", async () => {
  await using folder = await temporaryDirectory("varve-worker-");
  const archive = await collect(writeTar([{ path: "file", body: "content" }]));
  const before = Buffer.from(archive);
  // oxlint-disable-next-line require-await -- an async generator is the shape of `Bytes`
  async function* twice(): Bytes & AsyncGenerator<Uint8Array> {
    yield archive;
  }
  await applyInThread(twice(), apply(folder.path), undefined);
  assert.ok(archive.equals(before));
});

test("an error of the source comes back with its code and details, and the source is read no further", async () => {
  await using folder = await temporaryDirectory("varve-worker-");
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield (await collect(writeTar([{ path: "file", body: "content" }]))).subarray(0, 600);
    throw new VarveError("corrupt", "Cannot read it: bad digest", { details: { actual: "x" }, hint: "Pull again." });
  }
  await assert.rejects(applyInThread(broken(), apply(folder.path), undefined), (error) => {
    assert.ok(isVarveError(error, "corrupt"), String(error));
    assert.deepEqual([error.details, error.hint], [{ actual: "x" }, "Pull again."]);
    return true;
  });
});

test("whatever breaks the source, and wherever it is unpacked, is a VarveError", async () => {
  await using folder = await temporaryDirectory("varve-worker-");
  const formats = ["plain", "overlay"] as const;
  for (const [format, size] of formats.flatMap((name) => [0, 10_000_000].map((bytes) => [name, bytes] as const))) {
    async function* broken(): AsyncGenerator<Uint8Array> {
      if (size > 0) yield (await collect(writeTar([{ path: "file", body: Buffer.alloc(size) }]))).subarray(0, size);
      throw Object.assign(new Error("the connection was reset"), { code: "ECONNRESET" });
    }
    const applied = applyLayer(broken(), folder.path, { format });
    await assert.rejects(applied, (error) => {
      assert.ok(isVarveError(error, "internal"), `${format}, ${size}: ${String(error)}`);
      assert.deepEqual(error.details, { errno: "ECONNRESET" });
      return true;
    });
  }
});

test("an error of the thread comes back, and the source is let go of", async () => {
  await using folder = await temporaryDirectory("varve-worker-");
  let released = false;
  async function* noise(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield await Promise.resolve(Buffer.alloc(65_536, "noise"));
    } finally {
      released = true;
    }
  }
  await assert.rejects(applyInThread(noise(), apply(folder.path), undefined), (e) => isVarveError(e, "corrupt"));
  assert.ok(released);
  const missing = { kind: "diff", lower: undefined, upper: join(folder.path, "missing"), overlay: undefined } as const;
  await assert.rejects(collect(diffInThread(missing, undefined)), (error) => {
    assert.ok(isVarveError(error, "busy"), String(error));
    assert.deepEqual(error.details, { errno: "ENOENT" });
    return true;
  });
});

test("a job that is cancelled has ended when that is known", async () => {
  await using folder = await temporaryDirectory("varve-worker-");
  const [tree, copy] = [join(folder.path, "tree"), join(folder.path, "copy")];
  await fill(tree);
  await mkdir(copy);
  const controller = new AbortController();
  async function* endless(): AsyncGenerator<Uint8Array> {
    yield* writeTar({
      async *[Symbol.asyncIterator]() {
        for (let at = 0; ; at += 1) {
          if (at === 2000) controller.abort();
          yield await Promise.resolve({ path: `${at}`, body: "x".repeat(at) });
        }
      },
    });
  }
  const cancelled = (error: unknown): boolean => isVarveError(error, "cancelled");
  await assert.rejects(applyInThread(endless(), apply(copy), controller.signal), cancelled);
  const before = await readdir(copy);
  await rm(copy, { recursive: true });
  assert.ok(before.length > 0);
  const job = { kind: "diff", lower: undefined, upper: tree, overlay: undefined } as const;
  await assert.rejects(collect(diffInThread(job, controller.signal)), cancelled);
});

test("a reader may leave a thread's archive early", async () => {
  await using folder = await temporaryDirectory("varve-worker-");
  await fill(folder.path);
  const job = { kind: "diff", lower: undefined, upper: folder.path, overlay: undefined } as const;
  for await (const chunk of diffInThread(job, undefined)) {
    assert.ok(chunk.byteLength > 0);
    break;
  }
});

test("a channel whose other end goes fails with what was said about that", async () => {
  const { port1, port2 } = new MessageChannel();
  const channel = new JobChannel(port1, () => new VarveError("internal", "Cannot apply a layer: its thread has ended"));
  const reading = collect(channel.receive());
  port2.close();
  await assert.rejects(reading, /its thread has ended/);
  await channel.ended();
});

test("errors keep their causes on the way", () => {
  const cause = Object.assign(new Error("no space"), { code: "ENOSPC" });
  const error = unpackError(packError(new VarveError("storage", "Cannot write", { cause })));
  assert.ok(isVarveError(error, "storage"));
  assert.equal((error.cause as NodeJS.ErrnoException).code, "ENOSPC");
});

const MOUNTED = `
const { mkdirSync, readdirSync, readFileSync, readlinkSync } = require("node:fs");
const [, source, directory] = process.argv;
(async () => {
  const { mount, unshareMounts } = await import(source + "/linux/index.ts");
  const state = unshareMounts().state;
  mount({ source: "none", target: directory, type: "tmpfs" });
  const { applyLayer, writeTar } = await import(source + "/layer/index.ts");
  await applyLayer(writeTar([{ path: "file", body: "content" }]), directory, { format: "plain" });
  const thread = readdirSync("/proc/self/task").find((task) => readFileSync("/proc/self/task/" + task + "/comm", "utf8") === "varve-layer\\n");
  const same = readlinkSync("/proc/self/task/" + thread + "/ns/mnt") === readlinkSync("/proc/self/ns/mnt");
  console.log(JSON.stringify({ state, same, content: readFileSync(directory + "/file", "utf8") }));
})();
`;

test(
  "a thread sees the mounts of a process with a namespace of its own, and does not keep the process",
  { skip: isRootUser() ? false : "only root can mount" },
  async () => {
    await using folder = await temporaryDirectory("varve-worker-");
    const source = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
    const { stdout } = await run(process.execPath, ["-e", MOUNTED, source, folder.path]);
    assert.deepEqual(JSON.parse(stdout), { state: "private", same: true, content: "content" });
    assert.deepEqual(await readdir(folder.path), []);
    assert.ok(!(await readFile("/proc/self/mounts", "utf8")).includes(folder.path));
  },
);
