import { randomUUID } from "node:crypto";
import type { Session } from "../../../engine/index.ts";
import type { Path } from "../../../linux/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import { SCRATCH } from "../../../record/index.ts";
import type { ResultRef } from "../result/result.ts";
import type { VertexSources } from "../result/sources.ts";

/** Where the session of a build mounts what a client reads. */
export interface RefHost {
  readonly session: Session;
  /** Unmounts trees when the build ends. */
  readonly stack: AsyncDisposableStack;
}

/** A filesystem that a client knows by an id. It is solved when the client needs its files. */
export class GatewayRef {
  readonly ref: ResultRef;
  readonly #host: RefHost;
  #directory: Promise<Path | undefined> | undefined;

  constructor(ref: ResultRef, host: RefHost) {
    this.ref = ref;
    this.#host = host;
  }

  /** Solves the filesystem. */
  async evaluate(): Promise<void> {
    await this.#host.session.evaluate(this.ref.edge);
  }

  /** Returns a directory with its files, or undefined if it is empty. The directory exists until the build ends. */
  async directory(): Promise<Path | undefined> {
    this.#directory ??= this.#mount();
    try {
      return await this.#directory;
    } catch (error) {
      this.#directory = undefined;
      throw error;
    }
  }

  async #mount(): Promise<Path | undefined> {
    const { session, stack } = this.#host;
    const result = await session.evaluate(this.ref.edge);
    if (result.kind === "context") return result.context.path;
    if (result.id === SCRATCH) return undefined;
    return stack.use(await session.store.records.mount(result.id, session.hold)).path;
  }
}

/** The filesystems that one build has returned to its client. */
export class GatewayRefs {
  readonly #refs = new Map<string, GatewayRef>();
  readonly #host: RefHost;

  constructor(host: RefHost) {
    this.#host = host;
  }

  /** Gives an id to a filesystem. */
  add(ref: ResultRef | undefined): string {
    if (ref === undefined) return "";
    const id = randomUUID();
    this.#refs.set(id, new GatewayRef(ref, this.#host));
    return id;
  }

  /** The positions of the vertices of all filesystems. */
  get sources(): VertexSources[] {
    return [...this.#refs.values()].map(({ ref }) => ref.sources);
  }

  /** @throws {GrpcError} `unknown` if the build has no such filesystem. */
  get(id: string): GatewayRef {
    const ref = this.#refs.get(id);
    if (ref !== undefined) return ref;
    throw new GrpcError(GrpcCode.unknown, `no such ref: ${id}, all [${[...this.#refs.keys()].join(" ")}]`);
  }

  /** @throws {GrpcError} `unknown` if a result that is returned names a filesystem that the build does not have. */
  returned(id: string): ResultRef | undefined {
    if (id === "") return undefined;
    const ref = this.#refs.get(id);
    if (ref !== undefined) return ref.ref;
    throw new GrpcError(GrpcCode.unknown, `return reference ${id} not found`);
  }
}
