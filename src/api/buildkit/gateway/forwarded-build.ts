import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { FrontendInputs } from "../dockerfile/contexts.ts";
import type { FrontendResult } from "../result/result.ts";
import type { GatewayRefs } from "./gateway-refs.ts";

/** A build that a client drives: the client solves graphs, reads files, and returns the result. */
export class ForwardedBuild {
  readonly refs: GatewayRefs;
  /** The graphs that the request passed by name. */
  readonly inputs: FrontendInputs;
  readonly #result = Promise.withResolvers<FrontendResult>();
  #isReturned = false;

  constructor(refs: GatewayRefs, inputs: FrontendInputs) {
    this.refs = refs;
    this.inputs = inputs;
    this.#result.promise.catch(() => undefined);
  }

  /** @throws {GrpcError} `unknown` if the client has returned a result before. */
  return(result: FrontendResult): void {
    this.#end();
    this.#result.resolve(result);
  }

  /** Ends the build with the client's error. */
  fail(error: GrpcError): void {
    this.#end();
    this.#result.reject(error);
  }

  /** Resolves when the client returns. Rejects with the client's error, or the reason of the signal. */
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
