import { type RemoteLayer, importedDescription } from "../../record/index.ts";
import { Annotation, type Descriptor, type Digest, isDigest, layerCompression, parseGoTime } from "../../core/index.ts";
import { toOciType } from "./layer-types.ts";
import { timeToMilliseconds } from "./time.ts";

/** What a cache document says of a layer besides the blob. The rest of a descriptor's annotations is not carried along. */
const WRITTEN = [Annotation.createdAt, Annotation.estargzToc, Annotation.estargzSize] as const;
/** Characters of a description. */
const MAX_DESCRIPTION = 4096;

function milliseconds(text: string | undefined): number | undefined {
  const time = text === undefined ? undefined : parseGoTime(text);
  return time === undefined ? undefined : timeToMilliseconds(time);
}

function diffIdOf({ mediaType, digest, annotations }: Descriptor): Digest | undefined {
  const said = annotations?.[Annotation.uncompressed];
  if (said === undefined) return layerCompression(mediaType) === "uncompressed" ? digest : undefined;
  return isDigest(said) ? said : undefined;
}

function written(annotations: Readonly<Record<string, string>> = {}): Record<string, string> {
  return Object.fromEntries(
    WRITTEN.flatMap((name) => (Object.hasOwn(annotations, name) ? [[name, annotations[name] ?? ""]] : [])),
  );
}

/** The layer a descriptor stands for, to be had from `source`; undefined if it does not tell the diffID. */
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
    ...(createdAt === undefined ? {} : { createdAt }),
  };
}

/** The descriptor of a layer in a cache document, of an OCI type. */
export function layerDescriptor({ digest, size, mediaType, diffId, annotations }: RemoteLayer): Descriptor {
  return {
    mediaType: toOciType(mediaType),
    digest,
    size,
    annotations: { ...written(annotations), [Annotation.uncompressed]: diffId },
  };
}
