import { type Descriptor, VarveError, isVarveError } from "../../core/index.ts";
import { decodeContents } from "./codec.ts";
import type { ReadBlob } from "./described.ts";
import { type DocumentSigner, distrust } from "../signing/trust.ts";
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

/**
 * Returns the existing document as far as a writer may merge into it: without contents if it is not signed as the writer signs.
 *
 * @throws {VarveError} `invalid-argument` if the writer does not sign a signed document, or signs it for another scope.
 */
export function trustedExisting<T extends ExistingDocument>(
  existing: T,
  signer: DocumentSigner | undefined,
  { name, warn }: { readonly name: string; readonly warn: Warn },
): T {
  const { evidence } = existing.contents ?? {};
  if (evidence === undefined) return existing;
  const { signature } = evidence;
  if (signer === undefined) {
    if (signature === undefined) return existing;
    throw refused(name, "it is signed: give the key (sign=KEY), or replace it (reset=true)");
  }
  const why = distrust(evidence, signature === undefined ? signer : { ...signer, scope: signature.scope });
  if (why !== undefined) {
    warn(`The cache in ${name} is replaced: ${why}`);
    return { ...existing, contents: undefined };
  }
  if (signature === undefined || signature.scope === signer.scope) return existing;
  const [its, mine] = [signature.scope, signer.scope].map((scope) => JSON.stringify(scope));
  throw refused(name, `it is signed for the scope ${its}, and a document has one: ${mine} needs another place`);
}

function refused(name: string, why: string): VarveError {
  return new VarveError("invalid-argument", `Cannot export cache to ${name}: ${why}`);
}
