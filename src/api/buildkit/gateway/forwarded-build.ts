import type { RequestTrace, Session } from "../../../engine/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { SessionClient } from "../client/session-client.ts";
import type { BuildPolicies } from "../policy/build-policy.ts";
import type { GraphLoading } from "../result/definition.ts";
import type { ProducedResults } from "../result/produced.ts";
import type { FrontendResult } from "../result/result.ts";
import type { GatewayRefs } from "./gateway-refs.ts";

interface ForwardedParts {
  readonly refs: GatewayRefs;
  /** The serialised definitions that the request passed by name. */
  readonly inputs: ReadonlyMap<string, Uint8Array>;
  readonly client: SessionClient;
  readonly session: Session;
  /** Keeps mounts of contexts until the build ends. */
  readonly stack: AsyncDisposableStack;
  /** How the graphs of the client are read. */
  readonly loading: GraphLoading;
  readonly policies: BuildPolicies;
  /** Gets what the client does besides returning a result. */
  readonly trace: RequestTrace;
  /** Where the results are known by which other builds get them as inputs. */
  readonly produced: ProducedResults;
}

/** A build that a client drives: the client solves graphs, reads files, and returns the result. */
export class ForwardedBuild {
  readonly refs: GatewayRefs;
  readonly inputs: ReadonlyMap<string, Uint8Array>;
  readonly client: SessionClient;
  readonly session: Session;
  readonly stack: AsyncDisposableStack;
  readonly loading: GraphLoading;
  readonly policies: BuildPolicies;
  readonly trace: RequestTrace;
  readonly produced: ProducedResults;
  readonly #result = Promise.withResolvers<FrontendResult>();
  #isReturned = false;

  constructor({ refs, inputs, client, session, stack, loading, policies, ...parts }: ForwardedParts) {
    this.refs = refs;
    this.inputs = inputs;
    this.client = client;
    this.session = session;
    this.stack = stack;
    this.loading = loading;
    this.policies = policies;
    this.trace = parts.trace;
    this.produced = parts.produced;
    this.#result.promise.catch(() => undefined);
  }

  /** @throws {GrpcError} `unknown` if the client has returned before. */
  return(result: FrontendResult): void {
    this.#end();
    this.#result.resolve(result);
  }

  /** Ends the build with the client's error. Throws as `return`. */
  fail(error: GrpcError): void {
    this.#end();
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

  #end(): void {
    if (this.#isReturned) throw new GrpcError(GrpcCode.unknown, "gateway result is already set");
    this.#isReturned = true;
  }
}
