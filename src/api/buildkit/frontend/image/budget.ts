import { GrpcCode, GrpcError } from "../../../../grpc/index.ts";

/** Maximum number of front ends that run inside each other: one that asks for another waits for it. */
const MAX_DEPTH = 8;
/** Maximum number of front ends that are images and run at once for one build. */
const MAX_RUNNING = 32;

/** How many front ends a build may run. */
export class FrontendBudget {
  readonly #depth: number;
  readonly #all: { running: number };

  constructor(depth: number = 0, all: { running: number } = { running: 0 }) {
    this.#depth = depth;
    this.#all = all;
  }

  /**
   * Adds a front end until it is disposed of. Its own requests count by `inner`.
   *
   * @throws {GrpcError} `resource-exhausted` if there are too many.
   */
  enter(): Disposable & { readonly inner: FrontendBudget } {
    if (this.#depth >= MAX_DEPTH)
      throw new GrpcError(GrpcCode.resourceExhausted, `more than ${MAX_DEPTH} front ends run inside each other`);
    if (this.#all.running >= MAX_RUNNING)
      throw new GrpcError(GrpcCode.resourceExhausted, `more than ${MAX_RUNNING} front ends run at once`);
    this.#all.running += 1;
    return {
      inner: new FrontendBudget(this.#depth + 1, this.#all),
      [Symbol.dispose]: () => void (this.#all.running -= 1),
    };
  }
}
