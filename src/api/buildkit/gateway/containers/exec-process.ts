import { constants } from "node:os";
import { GrpcCode, GrpcError, type Send } from "../../../../grpc/index.ts";
import type { ExecMessage, ExecMessageSchema, FdMessage, InitMessage } from "../../proto/gen/gateway_pb.ts";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ForwardedBuild } from "../forwarded-build.ts";
import { ClientProcess } from "./client-process.ts";
import { MAX_ID } from "./gateway-containers.ts";

/** Maximum number of processes of one call that have not ended. */
const MAX_PROCESSES = 128;
/** Maximum number of processes that a client starts by one call. */
const MAX_STARTED = 10_000;

/**
 * Starts the processes that a client asks for on one call, and passes on their input and output. When the client has closed its side, the
 * call waits for the processes. When the call fails, or the client is gone, they are killed.
 *
 * @throws {GrpcError} for a message that makes no sense.
 */
export async function execProcess(
  build: ForwardedBuild,
  messages: AsyncIterable<ExecMessage>,
  send: Send<MessageInitShape<typeof ExecMessageSchema>>,
  signal: AbortSignal,
): Promise<void> {
  const processes = new Map<string, ClientProcess>();
  const ids = new Set<string>();
  const kill = (): void => {
    for (const each of processes.values()) each.kill();
  };
  signal.addEventListener("abort", kill, { once: true });
  try {
    for await (const message of messages) {
      const { processId, input } = message;
      if (processId === "") throw new GrpcError(GrpcCode.invalidArgument, "ProcessID required");
      if (input.case === "init") start({ build, processes, ids, send }, processId, input.value);
      else if (!ids.has(processId)) throw notFound(processId);
      else await pass(message, processes.get(processId));
    }
    for (const each of processes.values()) each.endInput();
    await Promise.all(Array.from(processes.values(), (each) => each.done));
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", kill);
    kill();
  }
}

interface Call {
  readonly build: ForwardedBuild;
  /** The processes that have not ended. */
  readonly processes: Map<string, ClientProcess>;
  /** The ids of all processes. */
  readonly ids: Set<string>;
  readonly send: Send<MessageInitShape<typeof ExecMessageSchema>>;
}

function start({ build, processes, ids, send }: Call, id: string, init: InitMessage): void {
  if (id.length > MAX_ID) throw new GrpcError(GrpcCode.invalidArgument, "the id of the process is too long");
  if (ids.has(id)) throw new GrpcError(GrpcCode.alreadyExists, `Process ${id} already exists`);
  if (processes.size >= MAX_PROCESSES)
    throw new GrpcError(GrpcCode.resourceExhausted, `a call has at most ${MAX_PROCESSES} processes at once`);
  if (ids.size >= MAX_STARTED)
    throw new GrpcError(GrpcCode.resourceExhausted, `a call starts at most ${MAX_STARTED} processes`);
  const { containerId } = init;
  const container = build.containers.get(containerId);
  if (container === undefined) {
    const name = JSON.stringify(containerId);
    throw new GrpcError(GrpcCode.notFound, `container ${name} previously released or not created`);
  }
  const process = new ClientProcess(container, init, async (input) => await send({ processId: id, input }));
  ids.add(id);
  processes.set(id, process);
  void process.done.then(() => processes.delete(id));
}

function notFound(id: string): GrpcError {
  return new GrpcError(GrpcCode.notFound, `IO for process ${JSON.stringify(id)} not found`);
}

/** Passes a message on. What comes for a process that has ended is ignored: the client cannot have known. */
async function pass({ input }: ExecMessage, process: ClientProcess | undefined): Promise<void> {
  switch (input.case) {
    case "file":
      return process === undefined ? undefined : await write(input.value, process);
    case "resize":
      return process?.resize({ rows: input.value.rows & 0xffff, columns: input.value.cols & 0xffff });
    case "signal":
      return process?.signal(signalOf(input.value.name));
    case "init":
    case "started":
    case "exit":
    case "done":
    case undefined:
      return undefined;
  }
}

async function write({ fd, data, eof }: FdMessage, process: ClientProcess): Promise<void> {
  const input = fd === 0 ? process.input : undefined;
  if (input === undefined || process.hasEof) throw new GrpcError(GrpcCode.outOfRange, `fd ${fd} unavailable to write`);
  await process.write(data);
  if (eof) process.endInput();
}

function signalOf(name: string): NodeJS.Signals {
  const full = `SIG${name}`;
  if (isSignal(full)) return full;
  throw new GrpcError(GrpcCode.invalidArgument, `Unknown signal ${name}`);
}

function isSignal(name: string): name is NodeJS.Signals {
  return Object.hasOwn(constants.signals, name);
}
