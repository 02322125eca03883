import { stat } from "node:fs/promises";
import { Annotation, VarveError, toVarveError } from "../../core/index.ts";
import { encodeContents, formOf } from "./codec.ts";
import { type CollectedBlobs, DEFAULT_GRACE, collectLayout } from "./layout-collect.ts";
import { isTagged, readLayoutIndex, writeLayoutIndex } from "./layout-files.ts";
import { lockLayout } from "./layout-lock.ts";
import { publishInLayout, existingInLayout } from "./layout-target.ts";
import { type PruneTargetOptions, type PrunedTarget, prunedContents } from "./prune.ts";

/**
 * Prunes all caches of an OCI layout, then removes blobs that are not reachable any more. Unreachable blobs younger than `grace`
 * (in milliseconds; default 10 minutes) are kept. Entries that are not caches, or that cannot be read, are not changed.
 *
 * @throws {VarveError} `not-found` if the directory does not exist; `storage` if it cannot be changed.
 */
export async function pruneLayoutTarget(directory: string, options: PruneTargetOptions = {}): Promise<PrunedTarget> {
  if ((await stat(directory).catch(() => undefined)) === undefined)
    throw new VarveError("not-found", `Cannot prune cache ${directory}: the directory does not exist`);
  try {
    return await pruneTags(directory, options);
  } catch (error) {
    throw toVarveError(error, `prune cache ${directory}`, "storage");
  }
}

async function pruneTags(directory: string, options: PruneTargetOptions): Promise<PrunedTarget> {
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
    grace: options.grace ?? DEFAULT_GRACE,
  });
  return { generations, records, blobs, bytes };
}

async function pruneTag(
  directory: string,
  tag: string,
  options: PruneTargetOptions,
): Promise<Pick<PrunedTarget, "generations" | "records">> {
  const { descriptor, contents } = await existingInLayout(directory, tag, () => undefined);
  if (descriptor === undefined || contents === undefined) return { generations: 0, records: 0 };
  const { contents: kept, lost } = prunedContents(contents, options);
  if (lost.generations === 0) return lost;
  if (kept.generations.length > 0)
    await publishInLayout(directory, tag, encodeContents(kept, formOf(descriptor.mediaType), options));
  else {
    const others = (await readLayoutIndex(directory)).filter((entry) => !isTagged(entry, tag));
    await writeLayoutIndex(directory, others);
  }
  return lost;
}
