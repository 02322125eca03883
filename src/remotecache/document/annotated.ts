import {
  Annotation,
  type Descriptor,
  type Digest,
  GO_ZERO_TIME,
  type JsonNode,
  type OrderedJson,
  VarveError,
  formatGoTime,
  isDigest,
  parseGoTime,
} from "../../core/index.ts";

/** What a cache config says about a layer if no manifest lists its layers, as in object stores. */
export interface LayerAnnotations {
  readonly mediaType: string;
  readonly diffId: string;
  readonly size: number;
  /** RFC 3339. Empty for none. */
  readonly createdAt: string;
}

/** A layer of a config, as far as its description is concerned. */
interface AnnotatedLayer {
  readonly blob: string;
  readonly annotations?: LayerAnnotations | undefined;
}

/** Reads the annotations of a layer. Undefined if it has none. */
export function parseLayerAnnotations(node: JsonNode): LayerAnnotations | undefined {
  const fields = node.object();
  if (fields === undefined) return undefined;
  return {
    mediaType: fields.string("mediaType") ?? "",
    diffId: fields.string("diffID") ?? "",
    size: fields.integer("size") ?? 0,
    createdAt: fields.string("createdAt") ?? "",
  };
}

/** Returns the JSON of annotations as BuildKit writes it: a layer without a time has Go's zero time. */
export function layerAnnotationsJson({ mediaType, diffId, size, createdAt }: LayerAnnotations): OrderedJson {
  const time = parseGoTime(createdAt) === undefined ? formatGoTime(GO_ZERO_TIME) : createdAt;
  return { mediaType, diffID: diffId, size, createdAt: time };
}

/** Returns the annotations of a layer from its descriptor. */
export function annotationsOf({ mediaType, size, annotations = {} }: Descriptor): LayerAnnotations {
  return {
    mediaType,
    size,
    diffId: annotations[Annotation.uncompressed] ?? "",
    createdAt: annotations[Annotation.createdAt] ?? "",
  };
}

/**
 * Returns the descriptors of the layers of an annotated config.
 *
 * @throws {VarveError} `corrupt`, with BuildKit's messages, if a layer is not described.
 */
export function descriptorsOf(layers: readonly AnnotatedLayer[]): Map<Digest, Descriptor> {
  return new Map(layers.map((layer) => [blobOf(layer), descriptorOf(layer)] as const));
}

function descriptorOf(layer: AnnotatedLayer): Descriptor {
  const { annotations } = layer;
  if (annotations === undefined) throw corrupt("cache layer with missing annotations");
  const { mediaType, diffId, size, createdAt } = annotations;
  if (diffId === "") throw corrupt("cache layer with missing diffid");
  if (!isDigest(diffId)) throw corrupt("cache layer with a diffid that is not a digest");
  if (!Number.isSafeInteger(size) || size < 0) throw corrupt("cache layer with a size that is not a number of bytes");
  const time = parseGoTime(createdAt);
  const isTimed = time !== undefined && time !== GO_ZERO_TIME;
  const timed = isTimed ? { [Annotation.createdAt]: createdAt } : {};
  return { mediaType, digest: blobOf(layer), size, annotations: { ...timed, [Annotation.uncompressed]: diffId } };
}

function blobOf({ blob }: AnnotatedLayer): Digest {
  if (isDigest(blob)) return blob;
  throw corrupt("cache layer with a blob that is not a digest");
}

function corrupt(state: string): VarveError {
  return new VarveError("corrupt", `Cannot read cache config: ${state}`);
}
