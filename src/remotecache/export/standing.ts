import { type Descriptor, type VarveError, isVarveError } from "../../core/index.ts";
import { decodeContents } from "./codec.ts";
import type { CacheContents } from "./scopes.ts";
import type { Warn } from "./target.ts";

/** What stands at a target now. */
export interface Standing {
  /** Undefined: nothing. */
  readonly descriptor?: Descriptor | undefined;
  /** Undefined: nothing, or nothing that could be read; it will be replaced. */
  readonly contents?: CacheContents | undefined;
}

/** Reads what stands at a target called `name`. What is no cache, or is broken, is told of. */
export async function readStanding(
  { descriptor, bytes }: { readonly descriptor: Descriptor; readonly bytes: Uint8Array },
  read: (config: Descriptor) => Promise<Uint8Array>,
  { name, warn }: { readonly name: string; readonly warn: Warn },
): Promise<Standing> {
  try {
    const contents = await decodeContents(bytes, read);
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
