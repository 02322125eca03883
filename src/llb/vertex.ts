import { digestOf, type Platform } from "../core/index.ts";
import { encodeOp } from "./encode-op.ts";
import { noMetadata, type Edge, type Op, type Vertex, type VertexMetadata } from "./op.ts";

export interface VertexParts {
  readonly op: Op;
  readonly inputs?: readonly Edge[];
  readonly platform?: Platform;
  readonly constraints?: readonly string[];
  readonly metadata?: VertexMetadata;
}

/** Serialises an op and gives it its digest. */
export function makeVertex({
  op,
  inputs = [],
  platform,
  constraints = [],
  metadata = noMetadata,
}: VertexParts): Vertex {
  const bytes = encodeOp({
    op,
    inputs: inputs.map(({ vertex, output }) => ({ digest: vertex.digest, output })),
    constraints,
    ...(platform === undefined ? {} : { platform }),
  });
  const vertex = { digest: digestOf(bytes), op, inputs, constraints, metadata, bytes };
  return platform === undefined ? vertex : { ...vertex, platform };
}

/** The same vertex with other things said about it; its digest does not change. */
export function withMetadata(vertex: Vertex, changes: Partial<VertexMetadata>): Vertex {
  return { ...vertex, metadata: { ...vertex.metadata, ...changes } };
}

/** Two sets of facts about one vertex together; the second wins. */
export function mergeMetadata(a: VertexMetadata, b: VertexMetadata): VertexMetadata {
  return {
    ...a,
    ...b,
    ignoreCache: a.ignoreCache || b.ignoreCache,
    description: new Map([...a.description, ...b.description]),
    caps: a.caps.union(b.caps),
  };
}

/** All vertices below the given ones and themselves, each once, inputs before their users. */
export function walkVertices(roots: readonly Vertex[]): Vertex[] {
  const done = new Map<string, Vertex>();
  const stack: { readonly vertex: Vertex; next: number }[] = [];
  const visit = (vertex: Vertex): void => {
    if (!done.has(vertex.digest)) stack.push({ vertex, next: 0 });
  };
  for (const root of roots) {
    visit(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const input = top.vertex.inputs[top.next++];
      if (input !== undefined) visit(input.vertex);
      else {
        stack.pop();
        if (!done.has(top.vertex.digest)) done.set(top.vertex.digest, top.vertex);
      }
    }
  }
  return [...done.values()];
}
