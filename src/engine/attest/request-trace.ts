import type { Platform } from "../../core/index.ts";
import type { BuildRequest, SourceFacts } from "../../attest/index.ts";
import type { CompileHost } from "../../frontend/index.ts";
import type { Edge } from "../../llb/index.ts";

/** An image that was looked up before a graph named it. */
export interface LookedUpImage {
  readonly reference: string;
  readonly platform: Platform;
  readonly digest: string;
  readonly isLayout: boolean;
}

/** What a request to build did besides making its results: provenance lists it. */
export class RequestTrace {
  /** Undefined for a client that solves graphs which it made itself. */
  readonly request: BuildRequest | undefined;
  readonly #images: LookedUpImage[] = [];
  readonly #edges: (Edge | undefined)[] = [];
  readonly #locals = new Set<string>();
  readonly #copies = new Set<string>();
  readonly #nested: RequestTrace[] = [];

  constructor(request?: BuildRequest) {
    this.request = request;
  }

  /** Adds an image that was looked up. */
  addImage(image: LookedUpImage): void {
    this.#images.push(image);
  }

  /** Adds a graph that the request solved: the context, a Dockerfile, another stage. */
  addEdge(edge: Edge | undefined): void {
    this.#edges.push(edge);
  }

  /** Adds a directory of the client that was read. */
  addLocal(name: string): void {
    this.#locals.add(name);
  }

  /** Adds a local source that is only a copy of what a graph of this trace made, such as a download that was unpacked. */
  addCopy(name: string): void {
    this.#copies.add(name);
  }

  /** Returns the trace of a request that this one made to a front end. */
  nest(request: BuildRequest): RequestTrace {
    const trace = new RequestTrace(request);
    this.#nested.push(trace);
    return trace;
  }

  /** The images that this request and those below it looked up. */
  get images(): readonly LookedUpImage[] {
    return [...this.#images, ...this.#nested.flatMap(({ images }) => images)];
  }

  /** The graphs that this request and those below it solved. */
  get edges(): readonly Edge[] {
    const own = this.#edges.filter((edge) => edge !== undefined);
    return [...own, ...this.#nested.flatMap(({ edges }) => edges)];
  }

  get locals(): readonly string[] {
    return [...this.#locals, ...this.#nested.flatMap(({ locals }) => locals)];
  }

  get copies(): ReadonlySet<string> {
    return this.#copies;
  }
}

/** A result of a build, and where it comes from. */
export interface TracedResult {
  readonly platform: Platform;
  /** Undefined for an empty result. */
  readonly edge: Edge | undefined;
  readonly trace: RequestTrace | undefined;
  readonly sources: SourceFacts | undefined;
}

/** Returns a host that records the images that are looked up. */
export function tracedHost(host: CompileHost, trace: RequestTrace | undefined): CompileHost {
  if (trace === undefined) return host;
  return {
    ...host,
    resolveImage: async (request) => {
      const found = await host.resolveImage(request);
      const { reference = request.reference, digest } = found;
      trace.addImage({ reference, platform: request.platform, digest, isLayout: request.ociStore !== undefined });
      return found;
    },
  };
}
