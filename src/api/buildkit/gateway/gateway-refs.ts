import { randomUUID } from "node:crypto";
import { type Result, type Session, recordResult } from "../../../engine/index.ts";
import type { Edge } from "../../../llb/index.ts";
import type { Path } from "../../../linux/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { ResultRef } from "../result/result.ts";
import type { VertexSources } from "../result/sources.ts";

/** Maximum number of filesystems that one client or front end gets ids for in a build. */
const MAX_REFS = 10_000;

/** Where the session of a build mounts what a client reads. */
export interface RefHost {
  readonly session: Session;
  /** Unmounts trees when the build ends. */
  readonly stack: AsyncDisposableStack;
}

/** What a client knows by an id: a filesystem that is solved when its files are needed, or one that a failed step has left. */
type Known = { readonly kind: "ref"; readonly ref: ResultRef } | { readonly kind: "result"; readonly result: Result };

/** A filesystem that a client knows by an id. */
export class GatewayRef {
  readonly #known: Known;
  readonly #host: RefHost;
  #directory: Promise<Path> | undefined;
  #record: Promise<Result> | undefined;

  constructor(known: Known, host: RefHost) {
    this.#known = known;
    this.#host = host;
  }

  /** The filesystem, if it can be returned as the result of the build. */
  get ref(): ResultRef | undefined {
    return this.#known.kind === "ref" ? this.#known.ref : undefined;
  }

  /** Returns the filesystem, which it solves if necessary. */
  async evaluate(): Promise<Result> {
    if (this.#known.kind === "result") return this.#known.result;
    return await this.#host.session.evaluate(this.#known.ref.edge);
  }

  /** Returns the filesystem as a record. A context directory is copied by the first call. */
  async record(): Promise<Result> {
    this.#record ??= this.#toRecord();
    try {
      return await this.#record;
    } catch (error) {
      this.#record = undefined;
      throw error;
    }
  }

  async #toRecord(): Promise<Result> {
    return recordResult(await this.#host.session.recordOf(await this.evaluate()));
  }

  /** Returns a directory with its files. The directory exists until the build ends. */
  async directory(): Promise<Path> {
    this.#directory ??= this.#mount();
    try {
      return await this.#directory;
    } catch (error) {
      this.#directory = undefined;
      throw error;
    }
  }

  async #mount(): Promise<Path> {
    const { session, stack } = this.#host;
    const result = await this.evaluate();
    if (result.kind === "context") return result.context.path;
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
    return this.#add({ kind: "ref", ref });
  }

  /** Gives an id to what a failed step has left. */
  addResult(result: Result | undefined): string {
    return result === undefined ? "" : this.#add({ kind: "result", result });
  }

  /** The positions of the vertices of all filesystems. */
  get sources(): VertexSources[] {
    return this.#returnable().map(({ sources }) => sources);
  }

  /** The graphs of all filesystems that are not empty. */
  get edges(): Edge[] {
    return this.#returnable().flatMap(({ edge }) => edge ?? []);
  }

  find(id: string): GatewayRef | undefined {
    return this.#refs.get(id);
  }

  /** @throws {GrpcError} `unknown` if the build has no such filesystem. */
  get(id: string): GatewayRef {
    const ref = this.find(id);
    if (ref !== undefined) return ref;
    throw new GrpcError(GrpcCode.unknown, `no such ref: ${id}, all [${[...this.#refs.keys()].join(" ")}]`);
  }

  /** @throws {GrpcError} `unknown` if a result that is returned names a filesystem that the build does not have. */
  returned(id: string): ResultRef | undefined {
    if (id === "") return undefined;
    const ref = this.#refs.get(id)?.ref;
    if (ref !== undefined) return ref;
    throw new GrpcError(GrpcCode.unknown, `return reference ${id} not found`);
  }

  #add(known: Known): string {
    if (this.#refs.size >= MAX_REFS)
      throw new GrpcError(GrpcCode.resourceExhausted, `a build has more than ${MAX_REFS} references`);
    const id = randomUUID();
    this.#refs.set(id, new GatewayRef(known, this.#host));
    return id;
  }

  #returnable(): ResultRef[] {
    return [...this.#refs.values()].flatMap(({ ref }) => ref ?? []);
  }
}
