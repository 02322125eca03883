import {
  type DamageState,
  type Digest,
  distributionSources,
  familiarReference,
  parseDigest,
  parseReference,
} from "../core/index.ts";
import type { Store } from "../engine/index.ts";
import { type VerifyOptions, blobsOfImages, edgesTo } from "../content/index.ts";

/** A blob that is damaged, or that an image needs and the store does not have. */
export interface LostBlobReport {
  readonly digest: Digest;
  readonly state: DamageState;
  /** Names of the images that need it; the ID of an image without a name. */
  readonly images: readonly string[];
  /** IDs of the cache records that need it. */
  readonly records: readonly string[];
  /** How to restore it: a command, or a sentence. */
  readonly fix: string;
}

export interface StoreVerification {
  readonly root: string;
  readonly blobs: number;
  /** Number of bytes read. */
  readonly bytes: number;
  readonly lost: readonly LostBlobReport[];
  /** False if an image lacks a blob. */
  readonly ready: boolean;
}

/**
 * Reads and hashes every blob of a store, and reports those that are damaged or missing. Damaged blobs are moved to quarantine.
 * Nothing is restored.
 *
 * @throws {VarveError} `cancelled` if `options.signal` is aborted.
 */
export async function verifyStore(store: Store, options: VerifyOptions = {}): Promise<StoreVerification> {
  const { blobs, bytes, damaged } = await store.content.verify(options);
  const states = new Map<Digest, DamageState>(missingOfImages(store).map((digest) => [digest, "missing"]));
  for (const { digest, state } of damaged) states.set(digest, state);
  const lost = Array.from(states, ([digest, state]) => reportOf(store, digest, state));
  return { root: store.root, blobs, bytes, lost, ready: lost.every(({ images }) => images.length === 0) };
}

/** Returns the blobs that images refer to and that the store does not have. */
function missingOfImages({ state, content }: Store): Digest[] {
  return [...blobsOfImages(state)].filter((digest) => content.info(digest) === undefined);
}

function reportOf(store: Store, digest: Digest, state: DamageState): LostBlobReport {
  const holders = holdersOf(store, digest);
  const images = holders.images.map(displayName);
  return { digest, state, images, records: holders.records, fix: fixOf(store, holders) };
}

interface Holders {
  readonly images: readonly string[];
  readonly records: readonly string[];
  /** The blob itself, and the documents that refer to it, directly or not. */
  readonly blobs: readonly Digest[];
}

/** Returns everything that refers to a blob, directly or not. */
function holdersOf({ state }: Store, digest: Digest): Holders {
  const [images, records] = [new Set<string>(), new Set<string>()];
  const blobs = new Set([digest]);
  for (const blob of blobs)
    for (const { kind, id } of edgesTo(state, { kind: "blob", id: blob })) {
      if (kind === "image") images.add(id);
      else if (kind === "record") records.add(id);
      else if (kind === "blob") blobs.add(parseDigest(id));
    }
  return { images: [...images].sort(), records: [...records].sort(), blobs: [...blobs] };
}

/** An image's name in its short form. The name of an image without one is its ID. */
function displayName(name: string): string {
  return name.startsWith("sha256:") ? name : familiarReference(parseReference(name));
}

function fixOf(store: Store, { images, records, blobs }: Holders): string {
  const sources = new Set(blobs.flatMap((blob) => distributionSources(store.content.labels(blob))));
  const pulled = images.find((name) => !name.startsWith("sha256:") && sources.has(repositoryOf(name)));
  const hasSnapshot = records.some((id) => {
    const { snapshot } = store.records.get(id) ?? {};
    return snapshot !== undefined && store.snapshotter.stat(snapshot) !== undefined;
  });
  if (images.length === 0 && records.length === 0) return "Nothing to do: nothing needs this blob.";
  if (pulled !== undefined) return `varve pull ${displayName(pulled)}`;
  const [source] = sources;
  if (source !== undefined) return `Nothing to do: it is fetched again from ${source} when it is needed.`;
  if (hasSnapshot) return "Nothing to do: it is created again when a build, save or push needs it.";
  return images.length === 0
    ? "Nothing to do: the next build that needs it creates it again."
    : `Build, load or pull ${images.map(displayName).join(", ")} again.`;
}

function repositoryOf(name: string): string {
  const { registry, repository } = parseReference(name);
  return `${registry}/${repository}`;
}
