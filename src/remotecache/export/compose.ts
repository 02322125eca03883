import type { Digest } from "../../core/index.ts";
import type { DocumentForm } from "../document/container.ts";
import type { CacheResult } from "../document/graph-types.ts";
import { type EncodeOptions, type EncodedDocument, encodeContents } from "./codec.ts";
import { type CacheContents, dropOldest, hasResults, mergeContents, retain } from "./scopes.ts";
import type { DocumentSigner } from "../signing/trust.ts";
import type { Warn } from "./target.ts";

/** Maximum size of a config or a manifest that BuildKit reads, in bytes. */
const READABLE = 1_048_576;

/** What a new document is made from. */
export interface Composition {
  /** The contents of the existing document, if there is one. */
  readonly existing: CacheContents | undefined;
  /** The contents of the export. */
  readonly own: CacheContents;
  readonly form: DocumentForm;
  /** Blobs that are not available anywhere. Results that need one are left out. */
  readonly missingBlobs: ReadonlySet<Digest>;
  /** See `mergeContents`. `keep`: the existing document may have been written by this export. */
  readonly rank: "first" | "keep";
  /** Whether notes of records are written. Default: true. */
  readonly noted?: boolean | undefined;
  readonly signer?: DocumentSigner | undefined;
}

/** A new document. */
export interface Composed extends EncodedDocument {
  readonly contents: CacheContents;
  readonly form: DocumentForm;
  /** How the contents were encoded. */
  readonly encoding: EncodeOptions;
}

/**
 * Merges an export with the existing contents into a new document. If the document is too large for BuildKit, it leaves out the
 * names of steps, then superseded generations, oldest first. BuildKit reads annotated documents of any size. Returns undefined if no record of the export has a result.
 */
export function compose(
  { existing, own, form, missingBlobs, rank, noted, signer }: Composition,
  warn: Warn,
): Composed | undefined {
  const isWhole = ({ layers }: CacheResult): boolean => layers.every(({ digest }) => !missingBlobs.has(digest));
  const available = missingBlobs.size === 0 ? own : retain(own, isWhole);
  if (!hasResults(available.graph)) return undefined;
  const merged = retain(mergeContents(existing, available, { rank }), isWhole);
  const composed = fit({ ...merged, released: existing?.released }, form, { noted, signer });
  const size = Math.max(composed.config.bytes.byteLength, composed.manifest.bytes.byteLength);
  if (size > READABLE && form !== "annotated")
    warn(`The cache document has ${size} bytes: Varve can read it, but BuildKit reads at most ${READABLE} bytes`);
  return composed;
}

function fit(contents: CacheContents, form: DocumentForm, options: EncodeOptions): Composed {
  for (let rest = contents; ;) {
    const named = composedOf(rest, form, options);
    if (form === "annotated") return named;
    const composed = isReadable(named) ? named : composedOf(rest, form, { ...options, named: false });
    const smaller = isReadable(composed) ? undefined : dropOldest(rest);
    if (smaller === undefined) return composed;
    rest = { ...smaller, released: rest.released };
  }
}

function composedOf(contents: CacheContents, form: DocumentForm, encoding: EncodeOptions): Composed {
  return { ...encodeContents(contents, form, encoding), contents, form, encoding };
}

function isReadable({ config, manifest }: EncodedDocument): boolean {
  return [config, manifest].every(({ bytes }) => bytes.byteLength <= READABLE);
}
