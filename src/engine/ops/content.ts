import { type Digest, VarveError, isVarveError } from "../../core/index.ts";
import { type ContentSelector, checksum, scratchTree, snapshotTree } from "../../contenthash/index.ts";
import { availableParallelism } from "node:os";
import { Semaphore } from "../../io/index.ts";
import { Root } from "../../linux/index.ts";
import { type Hold, SCRATCH } from "../../record/index.ts";
import type { LocalContext } from "../../source/index.ts";
import { keepTree } from "./content-files.ts";
import type { OpDeps } from "./deps.ts";
import type { Result } from "./result.ts";

/** Limits how many trees are hashed at a time, because each one keeps a processor and the disk busy. */
export const CHECKSUMS: Semaphore = new Semaphore(availableParallelism());

/**
 * Returns BuildKit's content hash of the paths that an op reads from a result.
 *
 * @throws {VarveError} `not-found` with BuildKit's message if a path does not exist.
 */
export async function contentDigest(
  result: Result,
  selectors: readonly ContentSelector[],
  deps: OpDeps,
  hold: Hold,
): Promise<Digest | undefined> {
  try {
    return await checksumOf(result, selectors, deps, hold);
  } catch (error) {
    const path = isVarveError(error, "not-found") ? error.details.path : undefined;
    throw typeof path === "string" ? missing(result, path, error) : error;
  }
}

async function checksumOf(
  result: Result,
  selectors: readonly ContentSelector[],
  deps: OpDeps,
  hold: Hold,
): Promise<Digest | undefined> {
  const options = hold.signal === undefined ? {} : { signal: hold.signal };
  if (result.kind === "context") return await result.context.checksum(selectors, hold.signal);
  if (result.id !== SCRATCH && deps.readsRecords === false) return undefined;
  if (result.id === SCRATCH) return await checksum(scratchTree, selectors, options);
  await using view = await deps.records.mount(result.id, hold);
  const tree = snapshotTree(view.path);
  const digest = await checksum(tree, selectors, options);
  keepTree(result, selectors, tree);
  return digest;
}

/** Names a result as BuildKit's messages do: without blanks. */
function refOf(result: Result): string {
  return result.kind === "record" ? result.id || "scratch" : result.context.name;
}

function missing(result: Result, path: string, cause: unknown): VarveError {
  const shown = path.startsWith("/") ? path : `/${path}`;
  const isScratch = result.kind === "record" && result.id === SCRATCH;
  const why = isScratch ? `${shown}: no such file or directory` : `${JSON.stringify(shown)}: not found`;
  const message = `failed to compute cache key: failed to calculate checksum of ref ${refOf(result)}: ${why}`;
  const isExcluded = result.kind === "context" && isThere(result.context, path);
  return new VarveError("not-found", message, {
    details: { path: shown },
    cause,
    ...(isExcluded
      ? { hint: `${shown} is in the build context, but its ignore file (.dockerignore) excludes it` }
      : {}),
  });
}

/** Returns true if a path exists in the context's directory, even if the ignore file excludes it. */
function isThere({ filter, path: directory }: LocalContext, path: string): boolean {
  if (filter === undefined) return false;
  try {
    using root = Root.open(directory);
    root.resolve(path, { follow: true });
    return true;
  } catch {
    return false;
  }
}
