import { type Descriptor, type Reference, VarveError, isVarveError, throwIfAborted } from "../../core/index.ts";
import type { BlobInfo, ContentStore, Followed, Ingest, Lease } from "../../content/index.ts";
import type { OnWait } from "../../io/index.ts";
import { labelSource, sourceLabel } from "./distribution-source.ts";
import type { OnTransfer } from "../events.ts";
import type { Registry } from "../registry.ts";
import { pause } from "../../http/index.ts";

export interface FetchOptions {
  readonly store: ContentStore;
  /** Keeps the blob. */
  readonly lease: Lease;
  /** If the blob is in the store: trust it (default), or verify it first and replace it if it is damaged. */
  readonly present?: "trust" | "verify" | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnTransfer | undefined;
  /** Called during waits for the registry. */
  readonly onWait?: OnWait | undefined;
  /**
   * Called with each ingest of the blob before its bytes arrive, so that it can be followed. Not called for a blob that is in the store or
   * that another caller fetches; called again after wrong bytes.
   */
  readonly onIngest?: ((ingest: Followed) => void) | undefined;
}

/** Milliseconds between checks of an ingest that another process writes. */
const FIRST_LOOK = 50;
const LONGEST_LOOK = 1000;

/** Returns the blob if the store has it. Adds it to the lease first, so that no collection removes it in between. */
export function leased(store: ContentStore, lease: Lease, descriptor: Descriptor): BlobInfo | undefined {
  lease.add("blob", descriptor.digest);
  const info = store.info(descriptor.digest);
  if (info !== undefined && info.size !== descriptor.size) {
    throw new VarveError(
      "corrupt",
      `Cannot use ${descriptor.digest}: it has ${info.size} bytes, and its descriptor says ${descriptor.size}`,
    );
  }
  return info;
}

async function openIngest(descriptor: Descriptor, options: FetchOptions): Promise<Ingest | BlobInfo> {
  const { store, lease, signal } = options;
  const { digest, size } = descriptor;
  for (let look = FIRST_LOOK; ; look = Math.min(look * 2, LONGEST_LOOK)) {
    try {
      return await store.ingest(`registry-${digest}`, { expected: { digest, size }, signal });
    } catch (error) {
      if (!isVarveError(error, "busy")) throw error;
    }
    await pause(look, signal);
    const info = leased(store, lease, descriptor);
    if (info !== undefined) return info;
  }
}

async function fill(
  registry: Registry,
  reference: Reference,
  descriptor: Descriptor,
  { ingest, from, options }: { ingest: Ingest; from: "any" | "origin"; options: FetchOptions },
): Promise<BlobInfo> {
  const { store, lease, signal, onEvent, onWait } = options;
  const offset = ingest.offset;
  for await (const chunk of registry.blob(reference, descriptor, { offset, from, signal, onEvent, onWait })) {
    await ingest.write(chunk);
  }
  throwIfAborted(signal, `fetch ${descriptor.digest}`);
  const { digest, size } = descriptor;
  return await ingest.commit({ digest, size, labels: sourceLabel(reference, store.info(digest)), lease });
}

/** One attempt. After a broken connection the bytes stay for the next attempt; the ingest discards wrong bytes. */
async function fetchOnce(
  registry: Registry,
  reference: Reference,
  descriptor: Descriptor,
  from: "any" | "origin",
  options: FetchOptions,
): Promise<BlobInfo> {
  const opened = await openIngest(descriptor, options);
  if (!("commit" in opened)) return opened;
  await using ingest = opened;
  const present = options.store.info(descriptor.digest);
  if (present !== undefined) {
    await ingest.abort();
    return present;
  }
  options.onIngest?.(ingest);
  return await fill(registry, reference, descriptor, { ingest, from, options });
}

/**
 * Fetches a blob of a repository into the store, unless it is there. Resumes an earlier attempt, and shares the download with concurrent
 * callers in this process and others. After wrong bytes it fetches once more, from the registry itself.
 *
 * @throws {VarveError} `corrupt` if the bytes are wrong again.
 */
export async function fetchBlob(
  registry: Registry,
  reference: Reference,
  descriptor: Descriptor,
  options: FetchOptions,
): Promise<BlobInfo> {
  const { store, lease, onEvent } = options;
  const there = leased(store, lease, descriptor);
  const present =
    options.present === "verify" && there !== undefined ? await store.check(there.digest, options) : there;
  const info = present ?? (await fetchMissing(registry, reference, descriptor, options));
  labelSource(store, reference, info);
  if (present !== undefined) {
    const { digest, size } = descriptor;
    const name = `${reference.registry}/${reference.repository}`;
    onEvent?.({ kind: "download", digest, name, current: size, total: size, state: "exists" });
  }
  return info;
}

async function fetchMissing(
  registry: Registry,
  reference: Reference,
  descriptor: Descriptor,
  options: FetchOptions,
): Promise<BlobInfo> {
  try {
    return await fetchOnce(registry, reference, descriptor, "any", options);
  } catch (error) {
    if (!isVarveError(error, "corrupt")) throw error;
    throwIfAborted(options.signal, `fetch ${descriptor.digest}`);
  }
  return await fetchOnce(registry, reference, descriptor, "origin", options);
}
