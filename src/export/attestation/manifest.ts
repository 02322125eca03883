import { imagePurl } from "../../attest/index.ts";
import {
  type Descriptor,
  type Digest,
  MediaType,
  type Platform,
  type Reference,
  digestHex,
  digestOf,
  goJson,
} from "../../core/index.ts";
import { encodeManifest } from "../../image/index.ts";
import type { AttestationSubject, ExportDeps, ExportPlatform } from "../types.ts";
import type { LayerBlob } from "../../record/index.ts";
import { SPDX, withLayerIds } from "./layer-ids.ts";
import { openAttestations } from "./open.ts";
import { statementOf } from "./statement.ts";

const STATEMENT = "application/vnd.in-toto+json";
const ARTIFACT = "application/vnd.docker.attestation.manifest.v1+json";
const PREDICATE_TYPE = "in-toto.io/predicate-type";
const EMPTY = "{}";

export interface AttestationManifestOptions {
  /** Use the artifact form of the OCI image specification 1.1. If not, the manifest is that of an image for no platform. */
  readonly artifact: boolean;
  readonly subjects: readonly AttestationSubject[];
  /** The layers of the image, lowest first. */
  readonly layers: readonly LayerBlob[];
  /** Stores a document and returns its descriptor. */
  readonly store: (bytes: Uint8Array, mediaType: string) => Promise<Descriptor>;
}

/**
 * Makes the manifest with the attestations of a platform's image, and returns its descriptor for the index. Undefined if there
 * are none.
 */
export async function assembleAttestations(
  { attestations = [] }: Pick<ExportPlatform, "attestations">,
  image: Descriptor,
  { artifact, subjects, layers: imageLayers, store }: AttestationManifestOptions,
  deps: ExportDeps,
): Promise<Descriptor | undefined> {
  if (attestations.length === 0) return undefined;
  const layers: Descriptor[] = [];
  for (const attestation of await openAttestations(attestations, deps)) {
    const isSbom = attestation.isCore && attestation.predicateType === SPDX;
    const predicate = isSbom ? await withLayerIds(attestation.predicate, imageLayers, deps) : attestation.predicate;
    const statement = statementOf({ ...attestation, predicate }, subjects);
    const stored = await store(Buffer.from(statement), STATEMENT);
    layers.push({ ...stored, annotations: { [PREDICATE_TYPE]: attestation.predicateType } });
  }
  const config = artifact
    ? await store(Buffer.from(EMPTY), MediaType.ociEmpty)
    : await store(imageConfig(layers), MediaType.ociConfig);
  const { mediaType, digest, size } = image;
  const bytes = encodeManifest({
    kind: "manifest",
    mediaType: MediaType.ociManifest,
    ...(artifact ? { artifactType: ARTIFACT, subject: { mediaType, digest, size } } : {}),
    config: artifact ? { ...config, data: Buffer.from(EMPTY).toString("base64") } : config,
    layers,
  });
  const stored = await deps.part(`exporting attestation manifest ${digestOf(bytes)}`, () =>
    store(bytes, MediaType.ociManifest),
  );
  deps.content.link(stored.digest, [config.digest, ...layers.map((layer) => layer.digest)]);
  return { ...stored, annotations: annotationsOf(digest), platform: { architecture: "unknown", os: "unknown" } };
}

/** Returns what statements about an image are about: it, by each of its names. */
export function imageSubjects(names: readonly Reference[], platform: Platform, image: Digest): AttestationSubject[] {
  const digest = { sha256: digestHex(image) };
  return names.map((name) => ({ name: imagePurl(name, { platform }), digest }));
}

function annotationsOf(image: Digest): Record<string, string> {
  return { "vnd.docker.reference.digest": image, "vnd.docker.reference.type": "attestation-manifest" };
}

function imageConfig(layers: readonly Descriptor[]): Buffer {
  const rootfs = { type: "layers", diff_ids: layers.map(({ digest }) => digest) };
  return Buffer.from(goJson({ architecture: "unknown", os: "unknown", config: {}, rootfs }));
}
