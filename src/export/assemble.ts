import {
  VarveError,
  type Descriptor,
  type Digest,
  MediaType,
  digestOf,
  formatPlatform,
  isLayerType,
  layerCompression,
  layerMediaType,
  nonDistributableType,
  platformToJson,
  withoutInternalAnnotations,
} from "../core/index.ts";
import {
  type ImageConfig,
  defaultImageConfig,
  encodeImageConfig,
  encodeManifest,
  patchImageConfig,
  readImageConfig,
} from "../image/index.ts";
import { requestedNames } from "./names.ts";
import type { LayerBlob } from "../record/index.ts";
import { type Annotations, annotationsFor, checkAnnotations, parseAnnotations } from "./annotations.ts";
import type { ImageAttributes } from "./attributes.ts";
import { rewriteLayers } from "./rewrite.ts";
import type { ExportDeps, ExportPlatform, ExportSource } from "./types.ts";

/** An image whose manifests and configs are in the content store and refer to their layers. */
export interface AssembledImage {
  readonly descriptor: Descriptor;
  readonly configDigest: Digest | undefined;
  /** All layers of all platforms, lowest first. Some may not be in the content store yet. */
  readonly layers: readonly LayerBlob[];
}

interface AssembledManifest {
  readonly descriptor: Descriptor;
  readonly config: Digest;
  readonly layers: readonly LayerBlob[];
}

export interface AssembleOptions {
  /** Attestations for images only make an image of one platform an index, as others do. */
  readonly inlineOnly: boolean;
}

/** Makes the layers, configs and manifests of a build's result, and an index for several platforms or attestations. */
export async function assembleImage(
  source: ExportSource,
  attrs: ImageAttributes,
  { inlineOnly }: AssembleOptions,
  deps: ExportDeps,
): Promise<AssembledImage> {
  const isAttested = source.platforms.some(({ attestations = [] }) =>
    attestations.some((attestation) => inlineOnly || !attestation.inlineOnly),
  );
  if (isAttested && !attrs.oci)
    throw new VarveError("invalid-argument", 'Cannot export: cannot export attestations with "oci-mediatypes=false"');
  const inIndex = source.multi || isAttested;
  const annotations = [...parseAnnotations(source.annotations ?? {}), ...attrs.annotations];
  checkAnnotations(annotations, {
    platforms: source.platforms.map(({ platform }) => formatPlatform(platform)),
    index: inIndex,
    oci: attrs.oci,
  });
  const parts: ImageParts = { source, attrs, annotations, inIndex };
  const manifests = await Promise.all(source.platforms.map((platform) => assembleManifest(platform, parts, deps)));
  const layers = manifests.flatMap((manifest) => manifest.layers);
  const [only] = manifests;
  if (!inIndex && only !== undefined) return { descriptor: only.descriptor, configDigest: only.config, layers };
  const attested = attrs.oci ? await attestationManifests(manifests, parts, deps) : [];
  const children = [...manifests.map((manifest) => manifest.descriptor), ...attested];
  const own = annotationsFor(annotations, "index", undefined);
  const mediaType = attrs.oci ? MediaType.ociIndex : MediaType.dockerList;
  const bytes = encodeManifest({
    kind: "index",
    mediaType,
    manifests: children,
    ...(Object.keys(own).length === 0 ? {} : { annotations: own }),
  });
  const stored = await store(bytes, mediaType, deps);
  deps.content.link(
    stored.digest,
    children.map(({ digest }) => digest),
  );
  const described = annotationsFor(annotations, "index-descriptor", undefined);
  const descriptor = Object.keys(described).length === 0 ? stored : { ...stored, annotations: described };
  return { descriptor, configDigest: undefined, layers };
}

/** Makes the manifests with the attestations of each platform. */
async function attestationManifests(
  manifests: readonly AssembledManifest[],
  { source, attrs }: ImageParts,
  deps: ExportDeps,
): Promise<Descriptor[]> {
  if (source.platforms.every(({ attestations = [] }) => attestations.length === 0)) return [];
  const { assembleAttestations, imageSubjects } = await import("./attestation/manifest.ts");
  const names = requestedNames(source, attrs);
  const made = source.platforms.map(async (platform, index) => {
    const manifest = manifests[index];
    if (manifest === undefined) return undefined;
    const { descriptor: image, layers } = manifest;
    const subjects = imageSubjects(names, platform.platform, image.digest);
    const storeDocument = (bytes: Uint8Array, type: string): Promise<Descriptor> => store(bytes, type, deps);
    const options = { artifact: attrs.ociArtifact, subjects, layers, store: storeDocument };
    return await assembleAttestations(platform, image, options, deps);
  });
  return (await Promise.all(made)).filter((descriptor) => descriptor !== undefined);
}

/** Fetches the bytes of all layers into the content store. */
export async function fetchLayers(layers: readonly LayerBlob[], deps: ExportDeps): Promise<void> {
  await Promise.all(layers.map((layer) => deps.records.fetch(layer, deps.hold)));
}

/** The image that a manifest belongs to. */
interface ImageParts {
  readonly source: ExportSource;
  readonly attrs: ImageAttributes;
  readonly annotations: Annotations;
  /** The manifest is in an index. */
  readonly inIndex: boolean;
}

async function assembleManifest(
  platform: ExportPlatform,
  { source, attrs, annotations: all, inIndex }: ImageParts,
  deps: ExportDeps,
): Promise<AssembledManifest> {
  const epoch = epochOf(source, attrs);
  const base = platform.base === undefined ? undefined : readImageConfig(platform.base);
  const layers = await deps.part("exporting layers", () => makeLayers(platform, attrs, epoch, base, deps));
  const inlineCache = await deps.inlineCache?.(source.platforms.indexOf(platform), layers);
  const given = attrs.configs.get(formatPlatform(platform.platform)) ?? attrs.configs.get("");
  const own = given === undefined ? platform : { ...platform, config: Buffer.from(given) };
  const config = await makeConfig(own, layers, { epoch, base, inlineCache }, deps);
  const configType = attrs.oci ? MediaType.ociConfig : MediaType.dockerConfig;
  const configDescriptor = await deps.part(`exporting config ${digestOf(config)}`, () =>
    store(config, configType, deps),
  );
  const name = formatPlatform(platform.platform);
  const annotations = annotationsFor(all, "manifest", inIndex ? name : undefined);
  const mediaType = attrs.oci ? MediaType.ociManifest : MediaType.dockerManifest;
  const bytes = encodeManifest({
    kind: "manifest",
    mediaType,
    config: configDescriptor,
    layers: layers.map((layer) => manifestLayer(layer, attrs)),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  });
  const stored = await deps.part(`exporting manifest ${digestOf(bytes)}`, () => store(bytes, mediaType, deps));
  deps.content.link(stored.digest, [configDescriptor.digest, ...layers.map((layer) => layer.descriptor.digest)]);
  const described = inIndex ? annotationsFor(all, "manifest-descriptor", name) : {};
  const descriptor: Descriptor = {
    ...stored,
    ...(inIndex ? { platform: platformToJson(platform.platform) } : {}),
    ...(Object.keys(described).length === 0 ? {} : { annotations: described }),
  };
  return { descriptor, config: configDescriptor.digest, layers };
}

async function makeLayers(
  platform: ExportPlatform,
  attrs: ImageAttributes,
  epoch: number | undefined,
  base: ImageConfig | undefined,
  deps: ExportDeps,
): Promise<LayerBlob[]> {
  const { compression, level, forceCompression } = attrs;
  const options = { compression, force: forceCompression, level };
  const layers = await deps.records.blobs(platform.record, options, deps.hold);
  if (!attrs.rewriteTimestamp) return layers;
  if (epoch === undefined) {
    deps.warn("rewrite-timestamp is specified, but no source-date-epoch was found");
    return layers;
  }
  return await rewriteLayers(layers, { epoch, base: base?.rootfs.diff_ids ?? [], compression, level }, deps);
}

interface ConfigParts {
  readonly epoch: number | undefined;
  readonly base: ImageConfig | undefined;
  readonly inlineCache: Uint8Array | undefined;
}

// oxlint-disable-next-line require-await -- rejects rather than throws
async function makeConfig(
  platform: ExportPlatform,
  layers: readonly LayerBlob[],
  { epoch, base, inlineCache }: ConfigParts,
  deps: ExportDeps,
): Promise<Buffer> {
  const given =
    platform.config === undefined ? defaultImageConfig(platform.platform) : readImageConfig(platform.config);
  const { config, unaccounted } = patchImageConfig(given, {
    layers: layers.map(({ diffId, createdAt, description }) => ({
      diffId,
      createdAt: new Date(createdAt).toISOString(),
      description,
    })),
    epoch,
    base,
    inlineCache,
  });
  if (unaccounted) deps.warn("the image's history has entries for layers that do not exist");
  return encodeImageConfig(config);
}

/** Returns the attribute's epoch, else the build's. An empty attribute means no epoch. */
export function epochOf(source: ExportSource, { epoch }: ImageAttributes): number | undefined {
  switch (epoch.kind) {
    case "unset":
      return source.epoch;
    case "none":
      return undefined;
    case "seconds":
      return epoch.seconds;
  }
}

async function store(bytes: Uint8Array, mediaType: string, { content, hold }: ExportDeps): Promise<Descriptor> {
  const digest = digestOf(bytes);
  await content.put(bytes, { expected: { digest, size: bytes.byteLength }, lease: hold.lease });
  hold.lease.add("blob", digest);
  return { mediaType, digest, size: bytes.byteLength };
}

/**
 * Returns a layer's descriptor for a manifest, without internal annotations. Its type is a distributable one, unless the layer is
 * published elsewhere and `attrs` keep that. A descriptor of Docker's types has no annotations.
 */
function manifestLayer({ descriptor, urls: known }: LayerBlob, attrs: ImageAttributes): Descriptor {
  const { mediaType, digest, size } = descriptor;
  const compression = layerCompression(mediaType) ?? "gzip";
  const family = attrs.oci ? "oci" : "docker";
  const type = attrs.oci && !isLayerType(mediaType) ? mediaType : layerMediaType(compression, family);
  const urls = attrs.preferNonDistributable ? known : [];
  const layer = {
    mediaType: urls.length > 0 ? nonDistributableType(type) : type,
    digest,
    size,
    ...(urls.length > 0 ? { urls } : {}),
  };
  if (!attrs.oci) return layer;
  const { annotations } = withoutInternalAnnotations(descriptor);
  return { ...layer, ...(annotations === undefined ? {} : { annotations }) };
}
