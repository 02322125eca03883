import type { ContentStore } from "../content/index.ts";
import {
  type Descriptor,
  type Digest,
  Limits,
  MediaType,
  type Platform,
  type Reference,
  VarveError,
  choosePlatform,
  formatPlatform,
  isManifestType,
  platformFromJson,
} from "../core/index.ts";
import { readIndex, readManifest } from "../image/index.ts";
import { collect, limited } from "../io/index.ts";
import type { Hold } from "../record/index.ts";
import type { Registry } from "../registry/index.ts";

/** The documents that attest how an image was made, and who says so: BuildKit's `AttestationChain`. */
export interface AttestationChain {
  /** The index. */
  readonly root: Digest;
  readonly imageManifest: Digest;
  readonly attestationManifest?: Digest | undefined;
  readonly signatureManifests: readonly Digest[];
  /** The documents but the image's manifest, by digest. */
  readonly blobs: ReadonlyMap<Digest, ChainBlob>;
}

/** A document of a chain. */
export interface ChainBlob {
  readonly descriptor: Descriptor;
  readonly data: Uint8Array;
}

const REFERENCE_TYPE = "vnd.docker.reference.type";
const REFERENCE_DIGEST = "vnd.docker.reference.digest";
const PREDICATE_TYPE = "in-toto.io/predicate-type";
const SIGSTORE_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json";
const COSIGN_SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json";

/** Maximum size of an attestation or a signature, in bytes: a message of BuildKit's protocol has to hold all of them. */
const MAX_BLOB = 8 * 1024 * 1024;
/** Maximum number of attestations and signatures. */
const MAX_BLOBS = 64;

/** Where the documents of a chain are. */
export interface ChainSource {
  readonly reference: Reference;
  readonly content: ContentStore;
  readonly registry: () => Promise<Registry>;
}

/**
 * Returns the attestation chain of an image in an index; undefined for a target that is not an OCI index. `predicates` are the
 * types of attestations whose statements are included.
 *
 * @throws {VarveError} `not-found` if the index has nothing for the platform; the errors of a registry.
 */
export async function attestationChain(
  target: Descriptor,
  platform: Platform,
  predicates: readonly string[],
  source: ChainSource,
  hold: Hold,
): Promise<AttestationChain | undefined> {
  if (target.mediaType !== MediaType.ociIndex) return undefined;
  const reader = new ChainReader(source, hold);
  const { manifests } = readIndex(await reader.add(target), target.mediaType);
  const image = choosePlatform(
    platform,
    manifests.filter(({ mediaType }) => isManifestType(mediaType)),
    (entry) => (entry.platform === undefined ? undefined : platformFromJson(entry.platform)),
  );
  if (image === undefined)
    throw new VarveError("not-found", `Cannot use image ${target.digest}: no manifest for ${formatPlatform(platform)}`);
  const attestation = manifests.find((entry) => isAbout(entry, image.digest));
  const chain = { root: target.digest, imageManifest: image.digest, blobs: reader.blobs };
  if (attestation === undefined) return { ...chain, signatureManifests: [] };
  const statements = readManifest(await reader.add(attestation), attestation.mediaType).layers;
  const signature = await reader.signatureOf(attestation.digest);
  for (const layer of statements)
    if (predicates.includes(layer.annotations?.[PREDICATE_TYPE] ?? "")) await reader.add(layer);
  return {
    ...chain,
    attestationManifest: attestation.digest,
    signatureManifests: signature === undefined ? [] : [signature.digest],
  };
}

function isAbout({ annotations = {} }: Descriptor, image: Digest): boolean {
  return annotations[REFERENCE_TYPE] === "attestation-manifest" && annotations[REFERENCE_DIGEST] === image;
}

/** Reads documents from the content store, or from the registry, and keeps them. */
class ChainReader {
  readonly blobs = new Map<Digest, ChainBlob>();
  readonly #source: ChainSource;
  readonly #hold: Hold;

  constructor(source: ChainSource, hold: Hold) {
    this.#source = source;
    this.#hold = hold;
  }

  async add(descriptor: Descriptor): Promise<Uint8Array> {
    if (this.blobs.size >= MAX_BLOBS)
      throw new VarveError("limit-exceeded", `Cannot use attestations: there are more than ${MAX_BLOBS} documents`);
    const data = await this.#read(descriptor);
    this.blobs.set(descriptor.digest, { descriptor, data });
    return data;
  }

  /** Returns the manifest of a signature of a manifest, and keeps it and what it refers to. A bundle is preferred. */
  async signatureOf(digest: Digest): Promise<Descriptor | undefined> {
    const { registry, reference } = this.#source;
    const all = await (await registry()).referrers(reference, digest, this.#hold);
    const signature =
      all.find(({ artifactType }) => artifactType === SIGSTORE_BUNDLE) ??
      all.find(({ artifactType }) => artifactType === COSIGN_SIGNATURE);
    if (signature === undefined) return undefined;
    const { layers } = readManifest(await this.add(signature), signature.mediaType);
    for (const layer of layers) await this.add(layer);
    return signature;
  }

  async #read(descriptor: Descriptor): Promise<Uint8Array> {
    const { digest, mediaType, size } = descriptor;
    const { content, reference, registry } = this.#source;
    const what = `blob ${digest}`;
    if (size > MAX_BLOB)
      throw new VarveError("limit-exceeded", `Cannot read ${what}: it is larger than ${MAX_BLOB} bytes`);
    if (content.info(digest) === undefined) {
      if (isManifestType(mediaType)) {
        const { bytes } = await (await registry()).manifest({ ...reference, digest }, this.#hold);
        return bytes;
      }
      const { fetchBlob } = await import("../registry/index.ts");
      await fetchBlob(await registry(), reference, descriptor, { ...this.#hold, store: content });
    }
    this.#hold.lease.add("blob", digest);
    const { signal } = this.#hold;
    const limit = isManifestType(mediaType) ? Limits.manifest : MAX_BLOB;
    return await collect(limited(content.open(digest, { signal }), limit, { what }), limit, { what });
  }
}
