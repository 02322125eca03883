import { digestOf, isDigest, type Digest } from "../../core/index.ts";
import { resultCaps } from "../model/caps.ts";
import { encodeOp } from "./encode-op.ts";
import { decodeMetadata, encodeMetadata } from "./metadata-codec.ts";
import { noMetadata, type Edge, type VertexMetadata } from "../model/op.ts";
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
