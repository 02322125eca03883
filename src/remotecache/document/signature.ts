import {
  type Descriptor,
  type Digest,
  type JsonNode,
  type OrderedJson,
  digestOf,
  goJson,
  isVarveError,
} from "../../core/index.ts";

/** The signature of a cache document. */
export interface ConfigSignature {
  /** What the writer has signed it for: readers that name no scope, or another, do not use the document. Empty: for no scope. */
  readonly scope: string;
  /** Ed25519, of `signedBytes`, in base64. */
  readonly ed25519: string;
}

const MAX_SCOPE = 512;
/** Characters of an Ed25519 signature in base64. */
const LENGTH = 88;
/** What a signature is of, so that it can be of nothing else. */
const PURPOSE = "varve cache document, version 1";

/**
 * Reads the `signature` in the member `varve` of a cache config. A malformed one is ignored: the document counts as not signed, so that
 * readers that want none can use it.
 */
export function parseSignature(varve: JsonNode): ConfigSignature | undefined {
  try {
    const fields = varve.objectOrEmpty().field("signature").object();
    const [scope = "", ed25519 = ""] = [fields?.string("scope"), fields?.string("ed25519")];
    return ed25519.length === LENGTH && scope.length <= MAX_SCOPE ? { scope, ed25519 } : undefined;
  } catch (error) {
    if (isVarveError(error)) return undefined;
    throw error;
  }
}

export function signatureJson({ scope, ed25519 }: ConfigSignature): OrderedJson {
  return { scope, ed25519 };
}

/** What is signed of a document. */
export interface SignedContent {
  /** The cache config as it is written without a signature. */
  readonly encoded: Uint8Array;
  /** The blobs of its layers, in its order. */
  readonly blobs: readonly string[];
  readonly descriptors: ReadonlyMap<Digest, Descriptor>;
  /** The blob with notes. */
  readonly notes: Descriptor | undefined;
}

/**
 * Returns the bytes that the signature of a document is of: all that readers use of its config and of the descriptors of its layers. The
 * content is made of what was read, so that nothing else in the document counts.
 */
export function signedBytes({ encoded, blobs, descriptors, notes }: SignedContent, scope: string): Uint8Array {
  const known: ReadonlyMap<string, Descriptor> = descriptors;
  const described = blobs.map((blob) => descriptorJson(known.get(blob)));
  return Buffer.from(goJson([PURPOSE, scope, digestOf(encoded), described, descriptorJson(notes)]));
}

function descriptorJson(descriptor: Descriptor | undefined): OrderedJson {
  if (descriptor === undefined) return null;
  const { digest, mediaType, size, annotations = {} } = descriptor;
  return [digest, mediaType, size, Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1))];
}
