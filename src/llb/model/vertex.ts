import { type Digest, type Platform, digestOf, mergePolicies, normalizePlatform } from "../../core/index.ts";
import { capsOf } from "./caps.ts";
import { encodeOp } from "../wire/encode-op.ts";
import { type Edge, type Op, type Vertex, type VertexMetadata, noMetadata } from "./op.ts";

/** What a vertex is made from. */
export interface VertexParts {
  readonly op: Op;
  readonly inputs?: readonly Edge[] | undefined;
  /** See `Vertex`. Default: `inputs`. */
  readonly walked?: readonly Edge[] | undefined;
  /** It is serialised as it is, without normalisation. */
  readonly platform?: Platform | undefined;
  readonly constraints?: readonly string[] | undefined;
  readonly metadata?: VertexMetadata | undefined;
}

/** Makes a vertex: serialises the op, computes its digest, and adds the capabilities it needs to its metadata. */
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

/** Merges the metadata of two equal vertices, as BuildKit's client does. Fields of `b` override those of `a`. */
function mergeMetadata(a: VertexMetadata, b: VertexMetadata): VertexMetadata {
  const policy = mergePolicies(a.policy, b.policy);
  return {
    ...a,
    ...b,
    ...(policy === undefined ? {} : { policy }),
    ignoreCache: a.ignoreCache || b.ignoreCache,
    description: new Map([...a.description, ...b.description]),
    caps: a.caps.union(b.caps),
  };
}

/**
 * Returns the given vertices and all vertices below them, inputs first. Vertices with equal digests are merged into one. Their
 * metadata is merged in the order of the walk, which is that of BuildKit's client, so that the last name wins.
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

/** Yields every vertex object once, inputs first. It does not recurse, because graphs may be deep. */
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
