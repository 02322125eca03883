import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import type { Duplex } from "node:stream";
import { GrpcCode } from "./code.ts";
import { GrpcError, toGrpcError } from "./error.ts";
import { PartialBytes } from "./framing.ts";
import { GrpcLimits } from "./limits.ts";
import { Metadata } from "./metadata.ts";
import type { Implementation } from "./method.ts";
import { Router } from "./router.ts";
import { StreamCall } from "./server-call.ts";
import { type OnStream, openSession } from "./server-connection.ts";
import { statusHeaders } from "./status.ts";
import { parseTimeout } from "./timeout.ts";

export interface GrpcServerOptions {
  /** Converts what a handler threw; `toGrpcError` by default. */
  readonly toError?: ((thrown: unknown) => GrpcError) | undefined;
  /** Maximum number of calls of one connection at once. Further ones are held back by the client, or else refused. Default: 1024. */
  readonly calls?: number | undefined;
}

/** Maximum delay of Node's timers. Longer deadlines never pass. */
const MAX_TIMER = 2_147_483_647;

const STOPPING = "the server is stopping";

/**
 * Serves gRPC on connections that the caller accepted. An error of one client, however malformed what it sends, ends its call or its
 * connection and nothing else. Disposing of the server aborts all calls.
 */
export class GrpcServer implements AsyncDisposable {
  readonly #router: Router;
  readonly #toError: (thrown: unknown) => GrpcError;
  readonly #maxCalls: number;
  readonly #partial = new PartialBytes();
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #calls = new Map<StreamCall, Promise<void>>();
  readonly #stopping = new AbortController();
  #stopped: Promise<void> | undefined;

  constructor(implementations: Iterable<Implementation>, options: GrpcServerOptions = {}) {
    const { toError = toGrpcError, calls = GrpcLimits.streams } = options;
    this.#router = new Router(implementations);
    this.#toError = toError;
    this.#maxCalls = calls;
  }

  /** Number of running calls. */
  get calls(): number {
    return this.#calls.size;
  }

  /** Number of open connections. */
  get connections(): number {
    return this.#sessions.size;
  }

  /** Serves one connection: a socket, a TLS socket, or any other stream. Bytes that were read from it already must be pushed back. */
  serve(connection: Duplex): void {
    if (this.#stopping.signal.aborted || this.#sessions.size >= GrpcLimits.connections || connection.destroyed) {
      connection.on("error", () => undefined);
      connection.destroy();
      return;
    }
    const onStream: OnStream = (stream, headers, raw) => this.#accept(stream, headers, raw);
    const session = openSession(connection, onStream, { streams: this.#maxCalls });
    this.#sessions.add(session);
    session.once("close", () => this.#sessions.delete(session));
  }

  /**
   * Accepts no more connections and calls, waits up to `grace` milliseconds for running calls, aborts the rest, and closes all
   * connections. A second call aborts what the first one waits for.
   */
  async stop(grace = 0): Promise<void> {
    this.#stopping.abort(new GrpcError(GrpcCode.unavailable, STOPPING));
    for (const session of this.#sessions) session.close();
    if (this.#stopped !== undefined) this.#abortCalls();
    this.#stopped ??= this.#finish(grace);
    await this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #finish(grace: number): Promise<void> {
    if (grace > 0) await within(grace, this.#calls.values());
    this.#abortCalls();
    await within(GrpcLimits.linger, this.#calls.values());
    const sessions = [...this.#sessions];
    const closed = sessions.map((session) => closeOf(session));
    // Sessions end by themselves when the last frames of their streams are sent.
    await within(GrpcLimits.linger, closed);
    for (const session of sessions) session.destroy();
    await Promise.all(closed);
  }

  #abortCalls(): void {
    for (const call of this.#calls.keys()) call.abort(new GrpcError(GrpcCode.unavailable, STOPPING));
  }

  #accept(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, raw: readonly string[]): void {
    const refusal = refuse(headers);
    if (refusal !== undefined) {
      stream.respond({ ":status": refusal.status, ...statusHeaders(refusal.error) }, { endStream: true });
      stream.resume();
      return;
    }
    const path = headers[":path"] ?? "";
    const call = new StreamCall(stream, {
      path,
      metadata: Metadata.received(raw),
      stopping: this.#stopping.signal,
      partial: this.#partial,
    });
    const work = this.#run(stream, call).finally(() => this.#calls.delete(call));
    this.#calls.set(call, work);
  }

  async #run(stream: ServerHttp2Stream, call: StreamCall): Promise<void> {
    const gone = (): void => call.abort(new GrpcError(GrpcCode.cancelled, "context canceled"));
    stream.once("aborted", gone);
    stream.once("close", gone);
    let deadline: NodeJS.Timeout | undefined;
    let failure: GrpcError | undefined;
    try {
      const handle = this.#router.handlerOf(call.path);
      deadline = startDeadline(call);
      await handle(call);
    } catch (error) {
      failure = this.#toError(error);
    } finally {
      clearTimeout(deadline);
      stream.off("aborted", gone);
      stream.off("close", gone);
    }
    try {
      call.finish(failure);
    } catch {
      stream.destroy();
    }
  }
}

function startDeadline(call: StreamCall): NodeJS.Timeout | undefined {
  const text = call.metadata.get("grpc-timeout");
  if (text === undefined) return undefined;
  const timeout = parseTimeout(text);
  if (timeout === undefined) throw new GrpcError(GrpcCode.internal, `malformed grpc-timeout: ${JSON.stringify(text)}`);
  if (timeout > MAX_TIMER) return undefined;
  return setTimeout(() => {
    call.abort(new GrpcError(GrpcCode.deadlineExceeded, "context deadline exceeded"));
  }, timeout);
}

interface Refusal {
  readonly status: number;
  readonly error: GrpcError;
}

/** Refuses requests that are not of gRPC, as Go does. */
function refuse(headers: IncomingHttpHeaders): Refusal | undefined {
  const type = headers["content-type"] ?? "";
  if (!/^application\/grpc(?:[+;]|$)/i.test(type)) {
    const message = `invalid gRPC request content-type ${JSON.stringify(type)}`;
    return { status: 415, error: new GrpcError(GrpcCode.invalidArgument, message) };
  }
  const method = headers[":method"];
  if (method === "POST") return undefined;
  const message = `Received a HEADERS frame with :method ${JSON.stringify(method)} which should be POST`;
  return { status: 405, error: new GrpcError(GrpcCode.internal, message) };
}

/** Waits for all promises, at most `milliseconds`. */
async function within(milliseconds: number, promises: Iterable<Promise<unknown>>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  await Promise.race([promise, Promise.allSettled(promises)]);
  clearTimeout(timer);
}

async function closeOf(session: ServerHttp2Session): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  session.once("close", resolve);
  await promise;
}
