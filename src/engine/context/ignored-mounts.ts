import { type Edge, walkVertices } from "../../llb/index.ts";
import type { CacheMounts } from "../../record/index.ts";

/**
 * Empties the cache mounts of steps that ignore the cache (`--no-cache`), as BuildKit does. `emptied` has the IDs of those that the
 * build has emptied before, and that it must not empty again.
 */
export async function pruneIgnoredMounts(
  edges: readonly Edge[],
  cacheMounts: CacheMounts,
  emptied: Set<string>,
): Promise<void> {
  const vertices = walkVertices(edges.map((edge) => edge.vertex));
  const ids = vertices.flatMap(({ op, metadata }) => {
    if (op.kind !== "exec" || !metadata.ignoreCache) return [];
    return op.mounts.flatMap((mount) => (mount.type === "cache" ? [mount.id] : []));
  });
  for (const id of new Set(ids)) {
    if (emptied.has(id)) continue;
    emptied.add(id);
    await cacheMounts.prune(id);
  }
}
