import { type RemoteLayer, importedDescription } from "../../record/index.ts";
import { Annotation, type Descriptor, type Digest, isDigest, layerCompression, parseGoTime } from "../../core/index.ts";
import { toOciType } from "./layer-types.ts";
import { timeToMilliseconds } from "./time.ts";

/** The annotations of a layer that are written into cache documents, besides the diffID. All others are dropped. */
const WRITTEN = [Annotation.createdAt, Annotation.estargzToc, Annotation.estargzSize] as const;
/** Maximum length of a description, in characters. */
const MAX_DESCRIPTION = 4096;

function milliseconds(text: string | undefined): number | undefined {
  const time = text === undefined ? undefined : parseGoTime(text);
  return time === undefined ? undefined : timeToMilliseconds(time);
}

function diffIdOf({ mediaType, digest, annotations }: Descriptor): Digest | undefined {
  const diffId = annotations?.[Annotation.uncompressed];
  if (diffId === undefined) return layerCompression(mediaType) === "uncompressed" ? digest : undefined;
  return isDigest(diffId) ? diffId : undefined;
}

function written(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    WRITTEN.flatMap((name) => (Object.hasOwn(annotations, name) ? [[name, annotations[name] ?? ""]] : [])),
  );
}

/**
 * Returns the layer that a descriptor in a cache document describes, with `source` as the place where its blob can be fetched.
 * Returns undefined if the descriptor does not tell the diffID.
 */
export function remoteLayer(descriptor: Descriptor, source?: string): RemoteLayer | undefined {
  const { digest, size, mediaType, annotations } = descriptor;
  const diffId = diffIdOf(descriptor);
  if (diffId === undefined) return undefined;
  const createdAt = milliseconds(annotations?.[Annotation.createdAt]);
  return {
    digest,
    diffId,
    size,
    mediaType,
    sources: source === undefined ? [] : [source],
    annotations: written(annotations),
    description: (annotations?.[Annotation.description] ?? importedDescription(digest)).slice(0, MAX_DESCRIPTION),
    createdAt,
  };
}

/** Returns the descriptor of a layer for a cache document, with an OCI media type. */
export function layerDescriptor({ digest, size, mediaType, diffId, annotations }: RemoteLayer): Descriptor {
  return {
    mediaType: toOciType(mediaType),
    digest,
    size,
    annotations: { ...written(annotations), [Annotation.uncompressed]: diffId },
  };
}
