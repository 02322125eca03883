import assert from "node:assert/strict";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { suite, test } from "node:test";
import { Control } from "../../src/api/buildkit/proto/gen/control_pb.ts";
import { called } from "../../src/api/buildkit/proto/methods.ts";
import { GrpcClient, invokeServerStream } from "../../src/grpc/index.ts";
import { type BuildkitServer, startBuildkitServer } from "../../testing/buildkit-server.ts";
import { processesOf } from "../../testing/leftovers.ts";
import { heldBy, residentMemory } from "../../testing/process-state.ts";
import { untilPrinted } from "../../testing/progress.ts";
import { clientsUnavailable } from "../../testing/stock-clients.ts";
import { storeFacts } from "../../testing/store-facts.ts";
import { type Outcome, finished } from "../../testing/varve.ts";

const skip = clientsUnavailable();
const CLIENTS = 20;
const MARK = "varve-crowd-5e0c";
/** Bytes that twenty builds may add to the memory of a server that is idle again. */
const MEMORY = 200 * 1024 * 1024;

/** Runs one of the clients. Every third one is killed in the middle of its step. */
async function client(server: BuildkitServer, index: number): Promise<Outcome> {
  const isKilled = index % 3 === 0;
  const files = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`src/${i}`, `${index} ${i}\n`.repeat(500)]));
  const step = isKilled ? "echo it runs; sleep 600" : "cat /src/* | wc -c";
  const dockerfile = `FROM ${server.base}\nENV MARK=${MARK}\nCOPY src /src\nRUN ${step}\n`;
  const folder = await server.varve.context(`crowd-${index}`, dockerfile, files);
  const output = `type=image,name=${server.registry.host}/crowd:${index},push=true`;
  const child = server.remote.start(["buildx", "build", "-o", output, folder], { group: true });
  const outcome = finished(child);
  if (!isKilled) return await outcome;
  await untilPrinted(child, "it runs");
  process.kill(-(child.pid ?? 0), "SIGKILL");
  return await outcome;
}

suite("many clients of one server", { skip }, () => {
  test("twenty at once, of which a third is killed, leave nothing", async (t) => {
    await using server = await startBuildkitServer();
    const { pid } = server.server;
    await server.remote.run(["buildx", "build", "-"], { input: `FROM ${server.base}\nRUN true\n` });
    await sleep(200);
    const [before, memory] = [heldBy(pid, server.varve.root), residentMemory(pid)];
    const outcomes = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => client(server, index)));
    for (const [index, { code, signal, stderr }] of outcomes.entries())
      assert.deepEqual([code, signal], index % 3 === 0 ? [null, "SIGKILL"] : [0, null], stderr);
    await eventually(() => {
      assert.deepEqual(processesOf(MARK), []);
      assert.deepEqual(heldBy(pid, server.varve.root), before);
    });
    const { stdout } = await server.remote.run(["buildx", "history", "ls", "--format={{.Status}}"]);
    const statuses = stdout.trim().split("\n");
    assert.equal(
      statuses.filter((status) => status === "Completed").length,
      1 + outcomes.filter(({ code }) => code === 0).length,
    );
    assert.equal(statuses.includes("Running"), false);
    const added = residentMemory(pid) - memory;
    t.diagnostic(`memory: ${Math.round(memory / 1e6)} MB, and ${Math.round(added / 1e6)} MB more after the builds`);
    assert.ok(added < MEMORY, `${added} bytes`);
    assert.equal(await server.server.stop(), 0);
    const { leftovers, missing } = await storeFacts(server.varve.root, { verify: true });
    assert.deepEqual({ leftovers, missing }, { leftovers: [], missing: [] });
  });

  test("a server that is stopped ends listeners at once, and running builds after a while", async () => {
    await using server = await startBuildkitServer();
    const input = `FROM ${server.base}\nENV MARK=${MARK}\nRUN echo it runs; sleep 600\n`;
    const child = server.remote.start(["buildx", "build", "-"]);
    const build = finished(child, input);
    await untilPrinted(child, "it runs");
    using listening = new GrpcClient(connect(`${server.varve.folder}/b.sock`));
    const events = invokeServerStream(listening, called(Control.method.listenBuildHistory), {});
    const first = await events.next();
    assert.ok(first.done !== true && first.value.record?.completedAt === undefined);
    const stopped = server.server.stop("SIGTERM");
    assert.equal((await events.next()).done, true);
    assert.equal(await stopped, 0);
    const { code, stderr } = await build;
    assert.notEqual(code, 0, stderr);
    assert.deepEqual(processesOf(MARK), []);
    const { leftovers, missing } = await storeFacts(server.varve.root);
    assert.deepEqual({ leftovers, missing }, { leftovers: [], missing: [] });
  });
});

/** Tries again until nothing is thrown, at most ten seconds. */
async function eventually(check: () => void): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    try {
      check();
      return;
    } catch {
      await sleep(100);
    }
  }
  check();
}
