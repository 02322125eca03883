import { type Edge, walkVertices } from "../../llb/index.ts";
import type { CacheMounts } from "../../record/index.ts";

/** Empties the cache mounts of steps that ignore the cache (`--no-cache`), as BuildKit does. */
export async function pruneIgnoredMounts(edges: readonly Edge[], cacheMounts: CacheMounts): Promise<void> {
  const vertices = walkVertices(edges.map((edge) => edge.vertex));
  const ids = vertices.flatMap(({ op, metadata }) => {
    if (op.kind !== "exec" || !metadata.ignoreCache) return [];
    return op.mounts.flatMap((mount) => (mount.type === "cache" ? [mount.id] : []));
  });
  for (const id of new Set(ids)) await cacheMounts.prune(id);
}
