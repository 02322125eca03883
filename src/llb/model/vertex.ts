import { type Digest, type Platform, digestOf, normalizePlatform } from "../../core/index.ts";
import { capsOf } from "./caps.ts";
import { encodeOp } from "../wire/encode-op.ts";
import { type Edge, type Op, type Vertex, type VertexMetadata, noMetadata } from "./op.ts";

export interface VertexParts {
  readonly op: Op;
  readonly inputs?: readonly Edge[] | undefined;
  /** The inputs as they are walked, if in any other way: see `Vertex`. */
  readonly walked?: readonly Edge[] | undefined;
  /** Serialised as it is given, normalised or not. */
  readonly platform?: Platform | undefined;
  readonly constraints?: readonly string[] | undefined;
  readonly metadata?: VertexMetadata | undefined;
}

/** Serialises an op, gives it its digest, and adds the capabilities it takes to its metadata. */
export function makeVertex({ op, platform, metadata = noMetadata, ...parts }: VertexParts): Vertex {
  const { inputs = [], walked = inputs, constraints = [] } = parts;
  const bytes = encodeOp({
    op,
    inputs: inputs.map(({ vertex, output }) => ({ digest: vertex.digest, output })),
    constraints,
    platform,
  });
  return {
    digest: digestOf(bytes),
    op,
    inputs,
    constraints,
    metadata: { ...metadata, caps: metadata.caps.union(capsOf(op, metadata)) },
    bytes,
    ...(isSame(walked, inputs) ? {} : { walked }),
    ...(platform === undefined ? {} : { platform: normalizePlatform(platform) }),
  };
}

function isSame(walked: readonly Edge[], inputs: readonly Edge[]): boolean {
  const [a, b] = [walked, inputs].map((edges) => [...new Set(edges.map(({ vertex }) => vertex))]);
  return a?.length === b?.length && a?.every((vertex, index) => vertex === b?.[index]) === true;
}

/** The same vertex with other things said about it; its digest does not change. */
export function withMetadata(vertex: Vertex, changes: Partial<VertexMetadata>): Vertex {
  return { ...vertex, metadata: { ...vertex.metadata, ...changes } };
}

/** Two sets of facts about one vertex together, as BuildKit's client merges them; the second wins. */
export function mergeMetadata(a: VertexMetadata, b: VertexMetadata): VertexMetadata {
  return {
    ...a,
    ...b,
    ignoreCache: a.ignoreCache || b.ignoreCache,
    description: new Map([...a.description, ...b.description]),
    caps: a.caps.union(b.caps),
  };
}

/**
 * All vertices below the given ones and themselves, inputs before their users. Those with equal digests are one: what they
 * say is merged in the order of the walk, which is that of BuildKit's client, so that the last one's name wins.
 */
export function walkVertices(roots: readonly Vertex[]): Vertex[] {
  const first = new Map<Digest, Vertex>();
  const merged = new Map<Digest, VertexMetadata>();
  for (const vertex of inputsFirst(roots)) {
    const { digest, metadata } = vertex;
    const known = merged.get(digest);
    merged.set(digest, known === undefined ? metadata : mergeMetadata(known, metadata));
    if (known === undefined) first.set(digest, vertex);
  }
  const made = new Map<Digest, Vertex>();
  for (const [digest, { walked: _walked, ...vertex }] of first) {
    const inputs = vertex.inputs.map((edge): Edge => ({
      ...edge,
      vertex: made.get(edge.vertex.digest) ?? edge.vertex,
    }));
    made.set(digest, { ...vertex, inputs, metadata: merged.get(digest) ?? vertex.metadata });
  }
  return [...made.values()];
}

/** Every vertex object once, without recursion: a graph may be deep. */
function* inputsFirst(roots: readonly Vertex[]): Generator<Vertex> {
  const done = new Set<Vertex>();
  const stack: { readonly vertex: Vertex; readonly edges: readonly Edge[]; next: number }[] = [];
  const visit = (vertex: Vertex): void => {
    if (!done.has(vertex)) stack.push({ vertex, edges: vertex.walked ?? vertex.inputs, next: 0 });
  };
  for (const root of roots) {
    visit(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const input = top.edges[top.next++];
      if (input !== undefined) visit(input.vertex);
      else {
        stack.pop();
        if (!done.has(top.vertex)) yield top.vertex;
        done.add(top.vertex);
      }
    }
  }
}

const INTERNAL = "[internal]";

/** The name of a vertex that is no step of the Dockerfile, by BuildKit's convention. */
export function internalName(text: string): string {
  return `${INTERNAL} ${text}`;
}

export function isInternalName(name: string): boolean {
  return name.startsWith(INTERNAL);
}
