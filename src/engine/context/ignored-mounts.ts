import { type Edge, walkVertices } from "../../llb/index.ts";
import type { CacheMounts } from "../../record/index.ts";

/** Empties the cache mounts of steps that are to ignore the cache: they start from nothing, as their layers do. */
export async function pruneIgnoredMounts(edges: readonly Edge[], cacheMounts: CacheMounts): Promise<void> {
  const vertices = walkVertices(edges.map((edge) => edge.vertex));
  const ids = vertices.flatMap(({ op, metadata }) => {
    if (op.kind !== "exec" || !metadata.ignoreCache) return [];
    return op.mounts.flatMap((mount) => (mount.type === "cache" ? [mount.id] : []));
  });
  for (const id of new Set(ids)) await cacheMounts.prune(id);
}
