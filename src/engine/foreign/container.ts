import { type Duplex, duplexPair } from "node:stream";
import type { NetworkMode, RunResult } from "../../exec/index.ts";
import type { Edge } from "../../llb/index.ts";
import { execDescription } from "../../record/index.ts";
import type { Activity } from "../progress/progress.ts";
import type { Session } from "../session.ts";

/** Limits of a front end's container. */
const LIMITS = {
  /** Processes and threads. */
  pids: 1024,
  /** Bytes. */
  memory: 4 * 1024 ** 3,
} as const;

/** Path of the file in which a front end finds the graph of its own image. */
const OWN_DEFINITION = "/run/config/buildkit/metadata/frontend.bin";

/** A process that speaks a protocol on its standard input and output. */
export interface FrontendProcess {
  /** The graph of its root filesystem. What it writes there is discarded. */
  readonly edge: Edge;
  /** The graph, serialised, for the process to read. */
  readonly definition: Uint8Array;
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly network: NetworkMode;
  /** Takes the connection to the process, once. It ends with the process. */
  readonly connect: (connection: Duplex) => void;
  /** Gets what the process writes to its standard error. */
  readonly onErrors: (chunk: Uint8Array) => void;
  /** Ends the process. */
  readonly signal: AbortSignal;
}

/**
 * Runs a front end in a container of its own, as a step without mounts runs. No mount, process or file of it is left when the promise
 * settles.
 *
 * @throws {VarveError} as `Runner.run`; `cancelled` if the signal is aborted.
 */
export async function runFrontendProcess(
  request: FrontendProcess,
  session: Session,
  activity: Activity,
): Promise<RunResult> {
  const { edge, definition, args, env, cwd, network, connect, onErrors, signal } = request;
  const { records } = session.store;
  const hold = { ...session.hold, signal };
  const record = await session.recordOf(await session.prepare(edge));
  await using root = await records.begin(record, { description: execDescription("/", args.join(" ")) }, hold);
  const runner = await session.runner();
  const [ours, its] = duplexPair();
  its.on("error", () => undefined);
  using _closed = { [Symbol.dispose]: () => (ours.destroy(), its.destroy()) };
  connect(ours);
  return await runner.run(
    {
      rootfs: root.path,
      process: { args, env, cwd, user: "" },
      mounts: [{ kind: "secret", target: OWN_DEFINITION, content: definition, mode: 0o444 }],
      network,
      limits: LIMITS,
      stdin: its,
      onOutput: async (stream, chunk) => {
        if (stream === 1) return await written(its, chunk);
        onErrors(chunk);
        activity.report({ kind: "log", stream: 2, data: chunk });
      },
    },
    { signal },
  );
}

/** Passes on what the process wrote. Settles when there is room for more. Nobody reads what comes after the end of the connection. */
async function written(connection: Duplex, chunk: Uint8Array): Promise<void> {
  if (connection.destroyed || connection.writableEnded || connection.write(chunk)) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  connection.once("drain", resolve).once("close", resolve);
  await promise;
  connection.off("drain", resolve).off("close", resolve);
}
