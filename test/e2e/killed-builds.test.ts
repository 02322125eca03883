import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, suite, test } from "node:test";
import { Control } from "../../src/api/buildkit/proto/gen/control_pb.ts";
import { LLBBridge } from "../../src/api/buildkit/proto/gen/gateway_pb.ts";
import { called } from "../../src/api/buildkit/proto/methods.ts";
import { GrpcClient, Metadata, invoke, invokeServerStream } from "../../src/grpc/index.ts";
import { fileActions, image, scratch } from "../../src/llb/index.ts";
import { encoded } from "../../testing/buildkit-daemon.ts";
import { type ServingVarve, startServing } from "../../testing/buildkit-server.ts";
import { ContainerClient } from "../../testing/container-client.ts";
import { buildFrontendWith } from "../../testing/frontends.ts";
import { descendantsOf } from "../../testing/leftovers.ts";
import { descriptorsOf, heldBy, residentMemory } from "../../testing/process-state.ts";
import { generatedRuns } from "../../testing/sampled.ts";
import { storeFacts } from "../../testing/store-facts.ts";
import { Varve, buildsUnavailable, busyboxImage } from "../../testing/varve.ts";

const { method: bridge } = LLBBridge;
const BUILDS = generatedRuns(5, 500);
const AT_ONCE = 5;
/** Nobody listens there, so that the images in the store are used. */
const RECIPE = "localhost:1/recipe:1";
const BASE = "localhost:1/base:1";
/** Bytes that all builds may add to the memory of a server that is idle again. */
const MEMORY = 300 * 1024 * 1024;

/** Descriptors that builds at the same time may add for good, such as those of the connections to the database. */
const SPARE = 2 * AT_ONCE;

/** How a build ends. In all but the first, something is running in its container, and in its front end or a step of that. */
const ENDS = [
  "result",
  "client is gone while the front end waits",
  "client is gone while a step runs",
  "process is killed",
  "build is cancelled",
] as const;

type End = (typeof ENDS)[number];

/** What the front end of a build is asked for. */
function recipe(end: End, index: number): string {
  const start = `from ${BASE}\nfile /n ${index}\nrun cat /n\n`;
  switch (end) {
    case "client is gone while the front end waits":
      return `${start}wait\n`;
    case "client is gone while a step runs":
    case "build is cancelled":
      return `${start}run sleep 600 ${index}\n`;
    case "result":
    case "process is killed":
      return start;
  }
}

suite("builds with front ends that are images, and containers", { skip: buildsUnavailable() }, () => {
  let varve: Varve;
  let server: ServingVarve;
  const path = (): string => join(varve.folder, "b.sock");

  before(async () => {
    varve = await Varve.open();
    await busyboxImage(varve, BASE);
    await buildFrontendWith(varve, "recipe", RECIPE);
    server = await startServing(varve, ["serve", `--buildkit=unix://${path()}`]);
  });
  after(async () => {
    await server?.stop("SIGKILL");
    await varve?.[Symbol.asyncDispose]();
  });

  /** Runs one build of a client with a connection of its own. */
  async function run(index: number): Promise<void> {
    const end = ENDS[index % ENDS.length] ?? "result";
    const socket = connect(path());
    await once(socket, "connect");
    socket.on("error", () => undefined);
    using client = new GrpcClient(socket);
    const ref = randomUUID();
    const stop = new AbortController();
    const solved = invoke(client, called(Control.method.solve), { ref }, { signal: stop.signal });
    const call = { metadata: Metadata.of([["buildkit-controlapi-buildid", ref]]) };
    await invoke(client, called(bridge.ping), {}, call);
    using processes = new ContainerClient(client, { ref, call, solved, return: async () => await solved });
    const running = frontend(client, call, recipe(end, index));
    const id = await container(client, call, processes);
    const process = await processes.start(id, { args: ["sh", "-c", "echo it runs; cat"], fds: [0, 1, 2] });
    await process.until(1, /it runs/);
    switch (end) {
      case "result":
        await process.end();
        assert.equal((await process.exit).code, 0);
        await return_(await running);
        return;
      case "process is killed":
        await process.signal("KILL");
        assert.equal((await process.exit).code, 137);
        await return_(await running);
        return;
      case "build is cancelled":
        await started(client, ref, "run sleep");
        stop.abort();
        await assert.rejects(solved);
        await assert.rejects(running);
        return;
      default:
        await started(client, ref, end.includes("step") ? "run sleep" : "run front end");
        socket.destroy();
        await assert.rejects(solved);
        await assert.rejects(running);
    }

    async function return_(made: string): Promise<void> {
      await invoke(client, called(bridge.return), { result: { result: refOf(made) } }, call);
      await solved;
    }
  }

  test("none of them leaves anything, though most are killed", async (t) => {
    for (let index = 0; index < ENDS.length; index += 1) await run(index);
    const idle = await settled();
    const [descriptors, memory] = [descriptorsOf(server.pid).length, residentMemory(server.pid)];
    let next = 0;
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        while (next < BUILDS) await run((next += 1));
      }),
    );
    assert.deepEqual(await settled(idle), idle);
    const opened = descriptorsOf(server.pid);
    assert.ok(opened.length <= descriptors + SPARE, opened.join("\n"));
    const added = residentMemory(server.pid) - memory;
    t.diagnostic(`memory: ${Math.round(memory / 1e6)} MB, and ${Math.round(added / 1e6)} MB more after the builds`);
    assert.ok(added < MEMORY, `${added} bytes`);
    assert.equal(await server.stop(), 0);
    const { leftovers, missing } = await storeFacts(varve.root, { verify: true });
    assert.deepEqual({ leftovers, missing }, { leftovers: [], missing: [] });
  });

  interface Held {
    readonly processes: number;
    readonly held: ReturnType<typeof heldBy>;
  }

  /** What the server holds, as soon as it is what is expected, or after a while. */
  async function settled(expected?: Held): Promise<Held> {
    let found = current();
    for (let attempt = 0; attempt < 200; attempt += 1) {
      await sleep(100);
      const before = found;
      found = current();
      if (JSON.stringify(found) === JSON.stringify(expected ?? before) && (expected !== undefined || attempt > 20))
        return found;
    }
    return found;
  }

  function current(): Held {
    return { processes: descendantsOf(server.pid).length, held: heldBy(server.pid, varve.root) };
  }
});

type Call = { readonly metadata: Metadata };

function refOf(id: string): { readonly case: "ref"; readonly value: { readonly id: string } } {
  return { case: "ref", value: { id } };
}

const RESULT = { allowResultReturn: true, allowResultArrayRef: true, evaluate: true };

/** Lets the front end build a text, and returns the filesystem that it makes. */
async function frontend(client: GrpcClient, call: Call, text: string): Promise<string> {
  const dockerfile = encoded(scratch().file(fileActions().mkfile("/Dockerfile", 0o644, text)));
  const asked = {
    frontend: "gateway.v0",
    frontendOpt: { source: RECIPE },
    frontendInputs: { dockerfile },
    ...RESULT,
  };
  const { result } = await invoke(client, called(bridge.solve), asked, call);
  assert.ok(result?.result.case === "ref");
  return result.result.value.id;
}

/** Makes a container of the base image. */
async function container(client: GrpcClient, call: Call, processes: ContainerClient): Promise<string> {
  const { result } = await invoke(client, called(bridge.solve), { definition: encoded(image(BASE)), ...RESULT }, call);
  assert.ok(result?.result.case === "ref");
  return await processes.container({ mounts: [{ dest: "/", resultID: result.result.value.id }] });
}

/** Waits until a vertex has started. */
async function started(client: GrpcClient, ref: string, name: string): Promise<void> {
  for await (const { vertexes } of invokeServerStream(client, called(Control.method.status), { ref }))
    if (vertexes.some((each) => each.name.includes(name) && each.started !== undefined)) return;
}
