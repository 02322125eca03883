import {
  type Descriptor,
  Limits,
  type Reference,
  VarveError,
  formatReference,
  isIndexType,
  isManifestType,
  isVarveError,
} from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { type Bytes, type OnWait, collect, inParallel } from "../../io/index.ts";
import { labelSource, sourcesOf } from "./distribution-source.ts";
import { type ImageDocument, parseDocument } from "./document.ts";
import type { OnTransfer } from "../events.ts";
import type { Registry } from "../registry.ts";

export interface PushOptions {
  readonly store: ContentStore;
  /** The manifest or index of the store to push. */
  readonly target: Descriptor;
  readonly signal?: AbortSignal | undefined;
  /** Called during waits for the registry. */
  readonly onWait?: OnWait | undefined;
  readonly onEvent?: OnTransfer | undefined;
  /** Runs each part of the push, such as `pushing layers`, so that it can be shown. */
  readonly part?: (<T>(id: string, work: () => Promise<T>) => Promise<T>) | undefined;
  /** Yields the bytes of a blob that is not in the store, such as a lazy layer. Used only if the registry lacks it. */
  readonly lazy?: ((descriptor: Descriptor, offset: number) => Bytes) | undefined;
  /** Further repositories of the target registry that may have a blob, for a mount. */
  readonly mountFrom?: ((descriptor: Descriptor, registry: string) => readonly string[]) | undefined;
}

interface Manifest {
  readonly descriptor: Descriptor;
  readonly bytes: Buffer;
  readonly document: ImageDocument;
}

const MAX_DEPTH = 8;
const NON_DISTRIBUTABLE = /(?:\.foreign\.|\.nondistributable\.)/;

async function readManifest(descriptor: Descriptor, { store, signal }: PushOptions): Promise<Manifest> {
  const { digest, mediaType } = descriptor;
  const bytes = await collect(store.open(digest, { signal }), Limits.manifest, {
    what: `manifest ${digest}`,
  });
  return { descriptor, bytes, document: parseDocument(bytes, mediaType, `manifest ${digest}`) };
}

/** Every manifest reachable from the target, deepest first; parts of an index that the store lacks are an error. */
async function manifestsOf(options: PushOptions): Promise<readonly Manifest[]> {
  const found = new Map<string, Manifest>();
  const visit = async (descriptor: Descriptor, depth: number): Promise<void> => {
    if (found.has(descriptor.digest)) return;
    if (depth > MAX_DEPTH) throw new VarveError("limit-exceeded", "Cannot push an index: it is nested too deep");
    const manifest = await readManifest(descriptor, options);
    if (manifest.document.kind === "index") {
      for (const child of manifest.document.manifests.filter(isDocument)) await visit(child, depth + 1);
    }
    found.set(descriptor.digest, manifest);
  };
  await visit(options.target, 0);
  return [...found.values()];
}

function isDocument({ mediaType }: Descriptor): boolean {
  return isManifestType(mediaType) || isIndexType(mediaType);
}

/** Configs, layers, and what an index holds besides manifests; each once. */
function blobsOf(manifests: readonly Manifest[]): readonly Descriptor[] {
  const all = manifests.flatMap(({ document }) =>
    document.kind === "index"
      ? document.manifests.filter((each) => !isDocument(each))
      : [document.config, ...document.layers],
  );
  return [...new Map(all.map((each) => [each.digest, each] as const)).values()];
}

/** The registry verifies what it is sent, so that hashing it here as well would only take time. */
function sourceOf(descriptor: Descriptor, { store, lazy, signal }: PushOptions): (offset: number) => Bytes {
  const { digest } = descriptor;
  if (store.info(digest) !== undefined || lazy === undefined) {
    return (offset) => store.open(digest, { offset, signal, verify: false });
  }
  return (offset) => lazy(descriptor, offset);
}

/**
 * Finds out whether a blob was refused because it is damaged here.
 *
 * @throws {VarveError} `storage` if it is: the blob is lost from now on.
 */
async function throwIfDamaged(error: unknown, { digest }: Descriptor, { store, signal }: PushOptions): Promise<void> {
  if (!isVarveError(error, "remote", "corrupt") || store.info(digest) === undefined) return;
  await using _verified = await store.openVerified(digest, { signal });
}

async function pushBlob(
  registry: Registry,
  reference: Reference,
  descriptor: Descriptor,
  options: PushOptions,
): Promise<void> {
  const { store, signal, onEvent, onWait, mountFrom } = options;
  const { digest, size, mediaType } = descriptor;
  if (NON_DISTRIBUTABLE.test(mediaType)) {
    const name = formatReference(reference);
    return onEvent?.({ kind: "upload", digest, name, current: 0, total: size, state: "skipped" });
  }
  const info = store.info(digest);
  const sources = [
    ...sourcesOf(reference.registry, descriptor, info),
    ...(mountFrom?.(descriptor, reference.registry) ?? []),
  ];
  const asking = { mountFrom: sources, signal, onEvent, onWait };
  try {
    await registry.pushBlob(reference, descriptor, sourceOf(descriptor, options), asking);
  } catch (error) {
    await throwIfDamaged(error, descriptor, options);
    throw error;
  }
  if (info !== undefined) labelSource(store, reference, info);
}

/** References by repository, each tag once. */
function byRepository(references: readonly Reference[]): readonly (readonly Reference[])[] {
  const groups = Map.groupBy(references, ({ registry, repository }) => `${registry}/${repository}`);
  return [...groups.values()].map((group) => [...new Map(group.map((each) => [each.tag, each] as const)).values()]);
}

async function pushTo(
  registry: Registry,
  names: readonly Reference[],
  manifests: readonly Manifest[],
  options: PushOptions,
): Promise<void> {
  const { signal, onWait, store } = options;
  const [first] = names;
  if (first === undefined) return;
  const untagged = { registry: first.registry, repository: first.repository };
  const part = options.part ?? (async (_id, work) => await work());
  await part("pushing layers", () =>
    inParallel(blobsOf(manifests), signal, (descriptor, both) =>
      pushBlob(registry, untagged, descriptor, { ...options, signal: both }),
    ),
  );
  const pushManifest = async (target: Reference, { descriptor, bytes }: Manifest): Promise<void> => {
    await registry.pushManifest(target, descriptor, bytes, { signal, onWait });
    const info = store.info(descriptor.digest);
    if (info !== undefined) labelSource(store, untagged, info);
  };
  const [top, ...lower] = manifests.toReversed();
  if (top === undefined) return;
  for (const name of names) {
    const { tag } = name;
    const shown = formatReference(tag === undefined ? untagged : { ...untagged, tag });
    await part(`pushing manifest for ${shown}@${top.descriptor.digest}`, async () => {
      if (name === first) for (const manifest of lower.toReversed()) await pushManifest(untagged, manifest);
      await pushManifest(tag === undefined ? untagged : { ...untagged, tag }, top);
    });
  }
}

/**
 * Pushes an image of the store under each reference: blobs first, in parallel and each once; then manifests, the deepest
 * first and the target last, so that a tag never appears before everything it needs. A reference with neither tag nor digest is
 * pushed by the target's digest; a digest in a reference must be the target's. Non-distributable layers are
 * skipped. Blobs that another repository of the same registry has are mounted. Keep the target by a lease.
 */
export async function push(registry: Registry, references: readonly Reference[], options: PushOptions): Promise<void> {
  const wrong = references.find(({ digest }) => digest !== undefined && digest !== options.target.digest);
  if (wrong !== undefined) {
    throw new VarveError(
      "invalid-argument",
      `Cannot push ${formatReference(wrong)}: the image's digest is ${options.target.digest}`,
    );
  }
  const manifests = await manifestsOf(options);
  for (const names of byRepository(references)) await pushTo(registry, names, manifests, options);
}
