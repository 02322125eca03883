import type { Digest } from "../../core/index.ts";
import { MAX_RELEASED, type ReleasedBlob } from "../document/released.ts";
import { type Time, timeFromMilliseconds } from "../document/time.ts";
import { encodeContents } from "./codec.ts";
import type { Composed } from "./compose.ts";
import type { ExistingDocument } from "./existing-document.ts";
import { layersOfGraph } from "./scopes.ts";

/** When blobs go that no document needs any more. In milliseconds. */
export interface CollectionTimes {
  readonly now: number;
  /** From a blob's release until its removal: readers of earlier documents may still fetch it. */
  readonly grace: number;
}

/** A document that says what it has released, and what has been released long enough. */
export interface Release {
  readonly document: Composed;
  readonly expired: readonly ReleasedBlob[];
}

/**
 * Adds to a new document what it does not need of the existing one, with the present time, and takes off what was released longer ago
 * than the grace period, or is needed again.
 */
export function release(next: Composed, existing: ExistingDocument, { now, grace }: CollectionTimes): Release {
  const needed = blobsOf(next);
  const since = timeFromMilliseconds(now - grace);
  const all = new Map((existing.contents?.released ?? []).map((one) => [one.digest, one] as const));
  for (const one of formerBlobs(existing, timeFromMilliseconds(now)))
    if (!all.has(one.digest)) all.set(one.digest, one);
  const released = [...all.values()].filter(({ digest }) => !needed.has(digest));
  const waiting = released
    .filter(({ at }) => at > since)
    .sort((a, b) => compare(b.at, a.at) || compare(a.digest, b.digest));
  const contents = { ...next.contents, released: waiting.slice(0, MAX_RELEASED) };
  const encoded = encodeContents(contents, next.form, next.encoding);
  return { document: { ...next, ...encoded, contents }, expired: released.filter(({ at }) => at <= since) };
}

function blobsOf({ contents, manifest, notes }: Composed): ReadonlySet<Digest> {
  const own = [manifest.descriptor.digest, ...(notes === undefined ? [] : [notes.descriptor.digest])];
  return new Set([...layersOfGraph(contents.graph).keys(), ...own]);
}

/** Returns what the existing document consists of and needs. */
function formerBlobs({ descriptor, contents }: ExistingDocument, at: Time): ReleasedBlob[] {
  if (contents === undefined) return [];
  const blobs = [...layersOfGraph(contents.graph).keys(), ...(contents.own ?? [])];
  const former = blobs.map((digest) => ({ digest, kind: "blob" as const, at }));
  return descriptor === undefined ? former : [{ digest: descriptor.digest, kind: "manifest", at }, ...former];
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
