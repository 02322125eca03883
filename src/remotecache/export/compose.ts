import type { Digest } from "../../core/index.ts";
import type { ContainerForm } from "../document/container.ts";
import type { CacheResult } from "../document/graph-types.ts";
import { type EncodedDocument, encodeContents } from "./codec.ts";
import { type CacheContents, dropOldest, hasResults, mergeContents, retain } from "./scopes.ts";
import type { Warn } from "./target.ts";

/** What BuildKit reads, of a config and of a manifest: bytes. */
const READABLE = 1_048_576;

export interface Composition {
  readonly there: CacheContents | undefined;
  readonly mine: CacheContents;
  readonly form: ContainerForm;
  /** Blobs that cannot be had; results that need one are left out. */
  readonly gone: ReadonlySet<Digest>;
  /** `keep`: what is there may have been written by this very export, and need not come first again. */
  readonly rank: "first" | "keep";
}

export interface Composed extends EncodedDocument {
  readonly contents: CacheContents;
}

/**
 * The document that holds what is there and an export. Where it is too large for BuildKit to read back, the
 * names of steps are left out, then superseded generations, the oldest first. Undefined if no record of the export has a result.
 */
export function compose({ there, mine, form, gone, rank }: Composition, warn: Warn): Composed | undefined {
  const isWhole = ({ layers }: CacheResult): boolean => layers.every(({ digest }) => !gone.has(digest));
  const own = gone.size === 0 ? mine : retain(mine, isWhole);
  if (!hasResults(own.graph)) return undefined;
  const composed = fit(retain(mergeContents(there, own, { rank }), isWhole), form);
  const size = Math.max(composed.config.bytes.byteLength, composed.manifest.bytes.byteLength);
  if (size > READABLE)
    warn(`The cache document has ${size} bytes: BuildKit reads no more than ${READABLE} back, Varve does`);
  return composed;
}

function fit(contents: CacheContents, form: ContainerForm): Composed {
  for (let rest = contents; ;) {
    const named = encodeContents(rest, form);
    const encoded = isReadable(named) ? named : encodeContents(rest, form, { named: false });
    const smaller = isReadable(encoded) ? undefined : dropOldest(rest);
    if (smaller === undefined) return { ...encoded, contents: rest };
    rest = smaller;
  }
}

function isReadable({ config, manifest }: EncodedDocument): boolean {
  return [config, manifest].every(({ bytes }) => bytes.byteLength <= READABLE);
}
