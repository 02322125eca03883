import type { VarveError } from "../../../../core/index.ts";
import type { Container } from "../../../../engine/index.ts";
import { GrpcCode, GrpcError } from "../../../../grpc/index.ts";
import type { FrontendBudget } from "../../frontend/image/budget.ts";

/** Maximum characters of the name of a container or a process. */
export const MAX_ID = 256;

interface Opened {
  readonly container: Container;
  readonly counted: Disposable;
}

/** The containers of one client or front end, by the names that it gives them. Disposing of it releases all. */
export class GatewayContainers implements AsyncDisposable {
  readonly #budget: Pick<FrontendBudget, "enterContainer">;
  readonly #opened = new Map<string, Opened>();
  /** Those that are being opened, by their names. */
  readonly #opening = new Map<string, Promise<void>>();
  readonly #ending = new Set<Promise<VarveError | undefined>>();
  #isClosed = false;

  constructor(budget: Pick<FrontendBudget, "enterContainer">) {
    this.#budget = budget;
  }

  /**
   * Opens a container.
   *
   * @throws {GrpcError} `already-exists` for a name in use, `resource-exhausted` for too many containers.
   */
  async open(id: string, open: () => Promise<Container>): Promise<void> {
    if (id === "" || id.length > MAX_ID) throw new GrpcError(GrpcCode.invalidArgument, "invalid container id");
    if (this.#isClosed) throw new GrpcError(GrpcCode.unknown, "context canceled");
    if (this.#opened.has(id) || this.#opening.has(id))
      throw new GrpcError(GrpcCode.alreadyExists, `Container ${id} already exists`);
    const opening = this.#add(id, open);
    this.#opening.set(id, opening);
    try {
      await opening;
    } finally {
      this.#opening.delete(id);
    }
  }

  get(id: string): Container | undefined {
    return this.#opened.get(id)?.container;
  }

  /**
   * Ends a container. Throws the failure of the process that failed first.
   *
   * @throws {GrpcError} `unknown` for a container that does not exist.
   */
  async release(id: string): Promise<void> {
    const opened = this.#opened.get(id);
    if (opened === undefined) throw new GrpcError(GrpcCode.unknown, `container details for ${id} not found`);
    this.#opened.delete(id);
    const failure = await this.#end(opened);
    if (failure !== undefined) throw failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#opening.values());
    for (const opened of this.#opened.values()) this.#end(opened).catch(() => undefined);
    this.#opened.clear();
    const ended = await Promise.allSettled(this.#ending);
    for (const each of ended) if (each.status === "rejected") throw each.reason;
  }

  /** Releases a container, also if the client that has asked for it does not wait. */
  async #end({ container, counted }: Opened): Promise<VarveError | undefined> {
    using _counted = counted;
    const ending = container.release();
    this.#ending.add(ending);
    try {
      return await ending;
    } finally {
      this.#ending.delete(ending);
    }
  }

  async #add(id: string, open: () => Promise<Container>): Promise<void> {
    using stack = new DisposableStack();
    const counted = stack.use(this.#budget.enterContainer());
    this.#opened.set(id, { container: await open(), counted });
    stack.move();
  }
}
