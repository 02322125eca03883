import { Annotation, type Digest, MediaType, VarveError, digestOf } from "../src/core/index.ts";
import { type Bytes, bytesOf } from "../src/io/index.ts";
import type { Hold, LayerBlob, RemoteLayer } from "../src/record/index.ts";
import { CacheGraph, type CacheNode, type ExportedGraph, type LayersOf } from "../src/remotecache/index.ts";
import type { SolveResult, SolverVertex } from "../src/solver/index.ts";
import { type Toy, type ToyCache, toySolver } from "./toy-graph.ts";

/** A lease that keeps nothing: what toys are made of is never collected. */
export const toyHold: Hold = {
  lease: { id: "toy", add: () => undefined, [Symbol.asyncDispose]: () => Promise.resolve() },
};

const bytesByDigest = new Map<Digest, Buffer>();

/** A layer of made-up bytes. */
export function toyLayer(text: string, size = 0): RemoteLayer & LayerBlob {
  const bytes = Buffer.concat([Buffer.from(`layer ${text}\n`), Buffer.alloc(size, text)]);
  const digest = digestOf(bytes);
  bytesByDigest.set(digest, bytes);
  const diffId = digestOf(`diff ${text}`);
  const mediaType = MediaType.dockerLayerGzip;
  const annotations = { [Annotation.uncompressed]: diffId, [Annotation.createdAt]: new Date(1000).toISOString() };
  const descriptor = { mediaType, digest, size: bytes.byteLength, annotations };
  const face = { digest, diffId, size: bytes.byteLength, mediaType, sources: [], annotations: {}, urls: [] };
  return { ...face, record: text, descriptor, createdAt: 1000, description: text };
}

/** The layers of a toy's text `c(b(a()))`: one for each pair of brackets along its first inputs, lowest first. */
export function toyLayers(text: string): LayerBlob[] {
  const inner = /^[^(]*\(([^,]+?)(?:,.*)?\)$/.exec(text)?.[1];
  return [...(inner === undefined ? [] : toyLayers(inner)), toyLayer(text)];
}

/** Layers of a toy cache's records. `made` are the texts that have a blob: without `create` others are not made. */
export function toyLayersOf(cache: ToyCache, made: Set<string> = new Set()): LayersOf<Toy> {
  return ({ result }, { create }) => {
    const { text } = cache.results.load(result);
    if (!create && !made.has(text)) return Promise.resolve(undefined);
    made.add(text);
    return Promise.resolve(toyLayers(text));
  };
}

/** The bytes of toy layers, unless they are said to be lost. Counts who asks. */
export function toySource(lost: ReadonlySet<Digest> = new Set()): {
  readonly asked: Digest[];
  readonly source: (layer: RemoteLayer, offset: number) => Bytes;
} {
  const asked: Digest[] = [];
  async function* source({ digest }: RemoteLayer, offset: number): AsyncGenerator<Uint8Array> {
    asked.push(digest);
    const bytes = lost.has(digest) ? undefined : bytesByDigest.get(digest);
    if (bytes === undefined) throw new VarveError("not-found", `Cannot read ${digest}: it is gone`);
    yield* bytesOf(bytes.subarray(offset));
  }
  return { asked, source };
}

/** Solves output 0 of each vertex, and says all of it. */
export async function solveAll(cache: ToyCache, ...vertices: SolverVertex<Toy>[]): Promise<SolveResult<Toy>[]> {
  return await toySolver(cache).solve(vertices.map((vertex) => ({ vertex, output: 0 })));
}

/** An export of a chain of steps on a root, each with a layer; the same names give the same export. */
export function chainExport(root: string, steps: readonly string[], size = 0): ExportedGraph {
  const graph = new CacheGraph();
  let node: CacheNode = graph.add(digestOf(`root ${root}`), []);
  const layers: RemoteLayer[] = [];
  for (const [index, step] of steps.entries()) {
    layers.push(toyLayer(`${root} ${step}`, size));
    const result = { layers: [...layers], createdAt: BigInt(index + 1) * 1_000_000_000n };
    node = graph.add(digestOf(`step ${step}`), [[{ selector: "", node }]], [result]);
  }
  return { graph, tops: [node] };
}

/** An export whose document takes about `kibibytes`: one record with very many inputs. */
export function largeExport(name: string, kibibytes: number): ExportedGraph {
  const graph = new CacheGraph();
  const root = graph.add(digestOf(`root ${name}`), []);
  const inputs = Array.from({ length: kibibytes }, (_, at) => [{ selector: `${at}`.padEnd(1000, "-"), node: root }]);
  const result = { layers: [toyLayer(name)], createdAt: BigInt(name.length) };
  return { graph, tops: [graph.add(digestOf(`step ${name}`), inputs, [result])] };
}
