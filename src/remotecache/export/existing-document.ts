import { type Descriptor, type VarveError, isVarveError } from "../../core/index.ts";
import { type ReadBlob, decodeContents } from "./codec.ts";
import type { CacheContents } from "./scopes.ts";
import type { Warn } from "./target.ts";

/** The document at a target before an export. */
export interface ExistingDocument {
  /** Undefined if there is no document. */
  readonly descriptor?: Descriptor | undefined;
  /** Undefined if there is no document, or if it is not a readable cache. An export then replaces it. */
  readonly contents?: CacheContents | undefined;
}

/** Reads the document at a target called `name`. Warns if it is not a cache, or if it cannot be read. */
export async function readExisting(
  { descriptor, bytes }: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  read: ReadBlob,
  { name, warn }: { readonly name: string; readonly warn: Warn },
): Promise<ExistingDocument> {
  try {
    const contents = await decodeContents({ bytes, type: descriptor.mediaType }, read);
    await contents?.graph.loadNotes();
    if (contents !== undefined) return { descriptor, contents };
    warn(`${name} is an image: the cache replaces it`);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    warn(`The cache in ${name} is replaced: ${error.message}`);
  }
  return { descriptor };
}

function isUnreadable(error: unknown): error is VarveError {
  return isVarveError(error, "corrupt", "limit-exceeded", "unsupported", "not-found");
}
