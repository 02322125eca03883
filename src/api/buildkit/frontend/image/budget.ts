import { GrpcCode, GrpcError } from "../../../../grpc/index.ts";

/** Maximum number of front ends that run inside each other: one that asks for another waits for it. */
const MAX_DEPTH = 8;
/** Maximum number of front ends that are images and run at once for one build. */
const MAX_RUNNING = 32;
/** Maximum number of containers that a client and its front ends have at once in one build. */
const MAX_CONTAINERS = 64;

interface Counts {
  running: number;
  containers: number;
}

/** How many front ends and containers of clients a build may have. */
export class FrontendBudget {
  readonly #depth: number;
  readonly #all: Counts;

  constructor(depth: number = 0, all: Counts = { running: 0, containers: 0 }) {
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

  /**
   * Adds a container until it is disposed of.
   *
   * @throws {GrpcError} `resource-exhausted` if there are too many.
   */
  enterContainer(): Disposable {
    if (this.#all.containers >= MAX_CONTAINERS)
      throw new GrpcError(GrpcCode.resourceExhausted, `a build has at most ${MAX_CONTAINERS} containers at once`);
    this.#all.containers += 1;
    return { [Symbol.dispose]: () => void (this.#all.containers -= 1) };
  }
}
