import { digestOf, isDigest, VarveError, type Digest } from "../../core/index.ts";
import { resultCaps } from "../model/caps.ts";
import { decodeOp, type DecodedOp } from "./decode-op.ts";
import { encodeOp } from "./encode-op.ts";
import { decodeMetadata, encodeMetadata } from "./metadata-codec.ts";
import { noMetadata, type Edge, type Vertex, type VertexMetadata } from "../model/op.ts";
import { validateOp } from "../model/validate.ts";
import { walkVertices } from "../model/vertex.ts";
import { addEntry, asBytes, ProtoWriter, readFields } from "./protobuf.ts";

/** A graph in the form that a client sends to a builder: BuildKit's `pb.Definition`. */
export interface Definition {
  /** Serialised ops, inputs first. The last one has only an input: the result. Empty: scratch. */
  readonly ops: readonly Uint8Array[];
  readonly metadata: ReadonlyMap<Digest, VertexMetadata>;
  /** The serialised `pb.Source`: the source location of each vertex. */
  readonly source?: Uint8Array | undefined;
}

/** Returns the definition of the graph whose result is `edge`; undefined stands for scratch. */
export function definitionOf(edge: Edge | undefined): Definition {
  if (edge === undefined) return { ops: [], metadata: new Map() };
  const vertices = walkVertices([edge.vertex]);
  const metadata = new Map(vertices.map((vertex) => [vertex.digest, vertex.metadata]));
  const last = encodeOp({ inputs: [{ digest: edge.vertex.digest, output: edge.output }] });
  metadata.set(digestOf(last), { ...noMetadata, caps: resultCaps(metadata.values()) });
  return { ops: [...vertices.map(({ bytes }) => bytes), last], metadata };
}

/** Serialises a definition. */
export function encodeDefinition({ ops, metadata, source }: Definition): Uint8Array {
  const writer = new ProtoWriter().repeated(1, ops);
  writer.map(2, metadata, (value, entry) => entry.message(2, encodeMetadata(value)));
  if (source !== undefined) writer.repeated(3, [source]);
  return writer.finish();
}

/**
 * Reads a serialised definition. Unknown fields are ignored; the ops are not decoded.
 *
 * @throws {VarveError} `corrupt` for bytes that are not a definition.
 */
export function decodeDefinition(bytes: Uint8Array): Definition {
  const ops: Uint8Array[] = [];
  const metadata = new Map<string, VertexMetadata>();
  let source: Uint8Array | undefined;
  for (const field of readFields(bytes)) {
    if (field.number === 1) ops.push(asBytes(field));
    else if (field.number === 2) addEntry(metadata, field, (value) => decodeMetadata(asBytes(value)), noMetadata);
    else if (field.number === 3) source = asBytes(field);
  }
  const known = new Map([...metadata].filter((entry): entry is [Digest, VertexMetadata] => isDigest(entry[0])));
  return { ops, metadata: known, source };
}

function invalid(why: string): VarveError {
  return new VarveError("invalid-argument", `Cannot read a build graph: ${why}`);
}

/** Makes the vertices of decoded ops, each one once. Cycles are impossible, because an op contains the digests of its inputs. */
class Loader {
  readonly #ops: ReadonlyMap<Digest, { readonly decoded: DecodedOp; readonly bytes: Uint8Array }>;
  readonly #metadata: ReadonlyMap<Digest, VertexMetadata>;
  readonly #made = new Map<Digest, Vertex>();

  constructor({ ops, metadata }: Definition) {
    this.#ops = new Map(ops.map((bytes) => [digestOf(bytes), { decoded: decodeOp(bytes), bytes }]));
    this.#metadata = metadata;
  }

  /** Makes a vertex and all vertices below it. It does not recurse, because graphs may be deep. */
  load(digest: Digest): Vertex {
    const stack = [digest];
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const missing = this.#op(top).decoded.inputs.filter((input) => !this.#made.has(input.digest));
      if (missing.length > 0 && !this.#made.has(top)) stack.push(...missing.map((input) => input.digest));
      else {
        stack.pop();
        if (!this.#made.has(top)) this.#made.set(top, this.#make(top));
      }
    }
    return this.#vertex(digest);
  }

  #op(digest: Digest): { readonly decoded: DecodedOp; readonly bytes: Uint8Array } {
    const op = this.#ops.get(digest);
    if (op === undefined) throw invalid(`input ${digest} is missing`);
    return op;
  }

  #vertex(digest: Digest): Vertex {
    const vertex = this.#made.get(digest);
    if (vertex === undefined) throw invalid(`input ${digest} is missing`);
    return vertex;
  }

  #make(digest: Digest): Vertex {
    const { decoded, bytes } = this.#op(digest);
    const { op, platform, constraints } = decoded;
    if (op === undefined) throw invalid(`vertex ${digest} has no op of a known kind`);
    const inputs = decoded.inputs.map((input) => ({ vertex: this.#vertex(input.digest), output: input.output }));
    const vertex: Vertex = {
      digest,
      op,
      inputs,
      constraints,
      bytes,
      metadata: this.#metadata.get(digest) ?? noMetadata,
      platform,
    };
    validateOp(vertex);
    return vertex;
  }
}

/**
 * Returns the result of a definition's graph, or undefined for scratch. Checks every op with `validateOp`.
 *
 * @throws {VarveError} `invalid-argument` for a graph that is not valid; `corrupt` or `unsupported` as `decodeOp`.
 */
export function graphOf(definition: Definition): Edge | undefined {
  const last = definition.ops.at(-1);
  if (last === undefined) return undefined;
  const { op, inputs } = decodeOp(last);
  const [result] = inputs;
  if (op !== undefined || result === undefined || inputs.length !== 1)
    throw invalid("its last entry does not name a result");
  return { vertex: new Loader(definition).load(result.digest), output: result.output };
}
