import {
  type DamageState,
  type Digest,
  distributionSources,
  familiarReference,
  parseReference,
} from "../core/index.ts";
import type { Store } from "../engine/index.ts";
import { type VerifyOptions, blobsOfImages, edgesTo } from "../content/index.ts";

/** A blob that is not what it should be, or not there though an image needs it. */
export interface LostBlobReport {
  readonly digest: Digest;
  readonly state: DamageState;
  /** Names, or ids of images without one, that are not whole without it. */
  readonly images: readonly string[];
  /** Cached results that it belongs to. */
  readonly records: readonly string[];
  /** What brings it back, in a sentence or a command. */
  readonly fix: string;
}

export interface StoreVerification {
  readonly root: string;
  readonly blobs: number;
  /** Bytes that were read. */
  readonly bytes: number;
  readonly lost: readonly LostBlobReport[];
  /** False if an image misses a blob. */
  readonly ready: boolean;
}

/**
 * Reads every blob of a store. Damaged ones are lost from then on, as when anything else comes across them; nothing is fetched or
 * made again.
 */
export async function verifyStore(store: Store, options: VerifyOptions = {}): Promise<StoreVerification> {
  const { blobs, bytes, damaged } = await store.content.verify(options);
  const states = new Map<Digest, DamageState>(missingOfImages(store).map((digest) => [digest, "missing"]));
  for (const { digest, state } of damaged) states.set(digest, state);
  const lost = Array.from(states, ([digest, state]) => reportOf(store, digest, state));
  return { root: store.root, blobs, bytes, lost, ready: lost.every(({ images }) => images.length === 0) };
}

/** What images lead to and the store does not have. */
function missingOfImages({ state, content }: Store): Digest[] {
  return [...blobsOfImages(state)].filter((digest) => content.info(digest) === undefined);
}

function reportOf(store: Store, digest: Digest, state: DamageState): LostBlobReport {
  const above = holdersOf(store, digest);
  const images = above.images.map(shown);
  return { digest, state, images, records: above.records, fix: fixOf(store, above) };
}

interface Holders {
  readonly images: readonly string[];
  readonly records: readonly string[];
  /** The blob itself, and the documents that lead to it. */
  readonly blobs: readonly Digest[];
}

/** Everything that leads to a blob. */
function holdersOf({ state }: Store, digest: Digest): Holders {
  const [images, records] = [new Set<string>(), new Set<string>()];
  const blobs = new Set([digest]);
  for (const blob of blobs)
    for (const { kind, id } of edgesTo(state, { kind: "blob", id: blob })) {
      if (kind === "image") images.add(id);
      else if (kind === "record") records.add(id);
      else if (kind === "blob") blobs.add(id as Digest);
    }
  return { images: [...images].sort(), records: [...records].sort(), blobs: [...blobs] };
}

/** An image's name as people write it. One without a name is kept under its id. */
function shown(name: string): string {
  return name.startsWith("sha256:") ? name : familiarReference(parseReference(name));
}

function fixOf(store: Store, { images, records, blobs }: Holders): string {
  const sources = new Set(blobs.flatMap((blob) => distributionSources(store.content.labels(blob))));
  const pulled = images.find((name) => !name.startsWith("sha256:") && sources.has(repositoryOf(name)));
  const tree = records.some((id) => {
    const { snapshot } = store.records.get(id) ?? {};
    return snapshot !== undefined && store.snapshotter.stat(snapshot) !== undefined;
  });
  if (images.length === 0 && records.length === 0) return "Nothing needs it.";
  if (pulled !== undefined) return `varve pull ${shown(pulled)}`;
  const [source] = sources;
  if (source !== undefined) return `It is fetched again from ${source} when it is needed.`;
  if (tree) return "It is made again when it is needed: by a build, save or push.";
  return images.length === 0
    ? "The next build that needs it makes it again."
    : `Build, load or pull ${images.map(shown).join(", ")} again.`;
}

function repositoryOf(name: string): string {
  const { registry, repository } = parseReference(name);
  return `${registry}/${repository}`;
}
