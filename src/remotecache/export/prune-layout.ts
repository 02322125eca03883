import { stat } from "node:fs/promises";
import { Annotation, VarveError, toVarveError } from "../../core/index.ts";
import { encodeContents, formOf } from "./codec.ts";
import { type CollectedBlobs, GRACE, collectLayout } from "./layout-collect.ts";
import { isTagged, readLayoutIndex, writeLayoutIndex } from "./layout-files.ts";
import { lockLayout } from "./layout-lock.ts";
import { publishInLayout, standingInLayout } from "./layout-target.ts";
import { type PruneTargetOptions, type PrunedTarget, prunedContents } from "./prune.ts";

/**
 * Makes the caches of a layout smaller, and removes blobs that nothing leads to any more; of blobs that the index named until
 * now, those younger than `grace` (milliseconds; default 10 minutes) stay. Entries that are no caches, or cannot be read, stay
 * as they are.
 */
export async function pruneLayoutTarget(
  directory: string,
  options: PruneTargetOptions & { readonly grace?: number | undefined } = {},
): Promise<PrunedTarget> {
  if ((await stat(directory).catch(() => undefined)) === undefined)
    throw new VarveError("not-found", `Cannot prune cache ${directory}: there is no such directory`);
  try {
    return await pruneTags(directory, options);
  } catch (error) {
    throw toVarveError(error, `prune cache ${directory}`, "storage");
  }
}

async function pruneTags(
  directory: string,
  options: PruneTargetOptions & { readonly grace?: number | undefined },
): Promise<PrunedTarget> {
  using _lock = await lockLayout(directory, "exclusive", options.signal);
  let [generations, records] = [0, 0];
  for (const { annotations = {} } of await readLayoutIndex(directory)) {
    const tag = annotations[Annotation.refName];
    if (tag === undefined) continue;
    const lost = await pruneTag(directory, tag, options);
    generations += lost.generations;
    records += lost.records;
  }
  const { blobs, bytes }: CollectedBlobs = await collectLayout(directory, {
    before: [],
    grace: options.grace ?? GRACE,
  });
  return { generations, records, blobs, bytes };
}

async function pruneTag(
  directory: string,
  tag: string,
  options: PruneTargetOptions,
): Promise<Pick<PrunedTarget, "generations" | "records">> {
  const { descriptor, contents } = await standingInLayout(directory, tag, () => undefined);
  if (descriptor === undefined || contents === undefined) return { generations: 0, records: 0 };
  const { contents: kept, lost } = prunedContents(contents, options);
  if (lost.generations === 0) return lost;
  if (kept.generations.length > 0)
    await publishInLayout(directory, tag, encodeContents(kept, formOf(descriptor.mediaType)));
  else {
    const others = (await readLayoutIndex(directory)).filter((entry) => !isTagged(entry, tag));
    await writeLayoutIndex(directory, others);
  }
  return lost;
}
