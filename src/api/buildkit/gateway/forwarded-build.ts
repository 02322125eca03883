import type { RequestTrace, Session } from "../../../engine/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { FrontendBuild } from "../frontend/request.ts";
import type { FrontendResult } from "../result/result.ts";
import { GatewayContainers } from "./containers/gateway-containers.ts";
import type { GatewayRefs } from "./gateway-refs.ts";

/** Maximum number of warnings of one client or front end in a build. */
const MAX_WARNINGS = 10_000;

interface ForwardedParts {
  readonly build: FrontendBuild;
  readonly refs: GatewayRefs;
  /** The serialised definitions that the request passed by name. */
  readonly inputs: ReadonlyMap<string, Uint8Array>;
  /** Gets what the client does besides returning a result. */
  readonly trace: RequestTrace;
}

/** What a client has returned. */
type Ended =
  | { readonly kind: "returned"; readonly result: FrontendResult }
  | { readonly kind: "failed"; readonly error: GrpcError };

/**
 * A build that a client drives, or the part of a build that a front end drives which is an image: it solves graphs, reads files, and returns
 * the result. Disposing of it releases its containers.
 */
export class ForwardedBuild implements AsyncDisposable {
  /** What the build shares with all requests to front ends in it. */
  readonly shared: FrontendBuild;
  readonly refs: GatewayRefs;
  readonly containers: GatewayContainers;
  readonly inputs: ReadonlyMap<string, Uint8Array>;
  readonly trace: RequestTrace;
  readonly #result = Promise.withResolvers<FrontendResult>();
  #ended: Ended | undefined;
  #warnings = 0;

  constructor({ build, refs, inputs, trace }: ForwardedParts) {
    this.shared = build;
    this.refs = refs;
    this.containers = new GatewayContainers(build.budget);
    this.inputs = inputs;
    this.trace = trace;
    this.#result.promise.catch(() => undefined);
  }

  get session(): Session {
    return this.shared.session;
  }

  /** @throws {GrpcError} `resource-exhausted` for more warnings than a build keeps. */
  countWarning(): void {
    this.#warnings += 1;
    if (this.#warnings > MAX_WARNINGS)
      throw new GrpcError(GrpcCode.resourceExhausted, `a build has more than ${MAX_WARNINGS} warnings`);
  }

  /** Whether the client has returned a result or an error. */
  get isReturned(): boolean {
    return this.#ended !== undefined;
  }

  /** @throws {GrpcError} `unknown` if the client has returned before. */
  return(result: FrontendResult): void {
    this.#end({ kind: "returned", result });
    this.#result.resolve(result);
  }

  /** Ends the build with the client's error. Throws as `return`. */
  fail(error: GrpcError): void {
    this.#end({ kind: "failed", error });
    this.#result.reject(error);
  }

  /** Resolves when the client returns. Rejects with the client's error, or with the reason of the signal. */
  async result(signal: AbortSignal): Promise<FrontendResult> {
    const onAbort = (): void => this.#result.reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await this.#result.promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Returns the result of a client that has ended. What it has returned as an error is thrown rather than `failure`, the error with which it
   * ended, and that rather than returning a result.
   */
  outcome(failure?: unknown): FrontendResult {
    const ended = this.#ended;
    if (ended?.kind === "failed") throw ended.error;
    if (failure !== undefined) throw failure;
    if (ended === undefined) throw new GrpcError(GrpcCode.unknown, "no result for incomplete build");
    return ended.result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.containers[Symbol.asyncDispose]();
  }

  #end(how: Ended): void {
    if (this.#ended !== undefined) throw new GrpcError(GrpcCode.unknown, "gateway result is already set");
    this.#ended = how;
  }
}
