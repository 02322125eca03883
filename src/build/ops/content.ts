import type { Digest } from "../../core/index.ts";
import { type ContentSelector, checksum, scratchTree, snapshotTree } from "../../contenthash/index.ts";
import { type Hold, SCRATCH } from "../../record/index.ts";
import type { OpDeps } from "./deps.ts";
import type { Result } from "./result.ts";

/** The content key of what an op reads of a result: BuildKit's content hash of the selected paths. */
export async function contentDigest(
  result: Result,
  selectors: readonly ContentSelector[],
  deps: OpDeps,
  hold: Hold,
): Promise<Digest | undefined> {
  const options = hold.signal === undefined ? {} : { signal: hold.signal };
  if (result.kind === "context") return await result.context.checksum(selectors, hold.signal);
  if (result.id === SCRATCH) return await checksum(scratchTree, selectors, options);
  await using view = await deps.records.mount(result.id, hold);
  return await checksum(snapshotTree(view.path), selectors, options);
}
