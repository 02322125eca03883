import { type Digest, throwIfAborted } from "../core/index.ts";
import type { ProcessDirectory } from "../linux/index.ts";
import type { Database } from "../state/index.ts";
import type { Blobs } from "./blobs.ts";
import { HOLDER, holderOf } from "./lease.ts";
import { removeLeftovers } from "./leftovers.ts";
import { QUARANTINE_RETENTION, emptyQuarantine } from "./quarantine.ts";
import type { Collected, Sweepers } from "./types.ts";

/** `UNION` drops nodes that were reached before, so that cycles end. */
const MARK = `
INSERT INTO temp.reached
WITH RECURSIVE walk(kind, id) AS (
  SELECT to_kind, to_id FROM edge WHERE from_kind IN ('lease', 'image', 'record')
  UNION
  SELECT edge.to_kind, edge.to_id FROM walk JOIN edge ON edge.from_kind = walk.kind AND edge.from_id = walk.id
)
SELECT kind, id FROM walk`;

const NOT_REACHED = (kind: string, id: string): string =>
  `NOT EXISTS (SELECT 1 FROM temp.reached WHERE reached.kind = '${kind}' AND reached.id = ${id})`;

interface Unreached {
  readonly blobs: readonly { digest: Digest; size: number }[];
  readonly snapshots: readonly string[];
}

/** Removes leases that have expired or whose process has ended. */
export function expireLeases(state: Database, writers: ProcessDirectory): void {
  state.run("DELETE FROM lease WHERE expires_at <= ?", Date.now());
  for (const holder of new Set(state.all<{ labels: string }>("SELECT labels FROM lease").map(holderOf)))
    if (holder !== undefined && !writers.isAlive(holder))
      state.run("DELETE FROM lease WHERE json_extract(labels, ?) = ?", `$."${HOLDER}"`, holder);
  state.run("DELETE FROM edge WHERE from_kind = 'lease' AND from_id NOT IN (SELECT id FROM lease)");
}

function mark(state: Database): void {
  state.run("CREATE TEMP TABLE IF NOT EXISTS reached (kind TEXT, id TEXT, PRIMARY KEY (kind, id)) WITHOUT ROWID");
  state.run("DELETE FROM temp.reached");
  state.run(MARK);
}

function removeBlobs(state: Database): Unreached["blobs"] {
  const blobs = state.all<{ digest: Digest; size: number }>(
    `DELETE FROM blob WHERE ${NOT_REACHED("blob", "digest")} RETURNING digest, size`,
  );
  // A lost blob that something needs keeps its labels and its edges.
  const gone = (column: string): string =>
    `${column} NOT IN (SELECT digest FROM blob) AND ${NOT_REACHED("blob", column)}`;
  state.run(`DELETE FROM blob_label WHERE ${gone("digest")}`);
  state.run(`DELETE FROM edge WHERE from_kind = 'blob' AND ${gone("from_id")}`);
  return blobs;
}

function isReached(state: Database): (name: string) => boolean {
  const sql = "SELECT 1 FROM temp.reached WHERE kind = 'snapshot' AND id = ?";
  return (name) => state.get(sql, name) !== undefined;
}

/**
 * Removes unreachable rows in one durable transaction, then their files. A crash in between leaves files without rows, which the next
 * collection removes.
 */
export async function collectGarbage(blobs: Blobs, writers: ProcessDirectory, sweepers: Sweepers): Promise<Collected> {
  const { state } = blobs;
  throwIfAborted(sweepers.signal, "collect garbage");
  const unreached = state.transaction<Unreached>(
    () => {
      expireLeases(state, writers);
      mark(state);
      const snapshots = sweepers.snapshots?.removeUnreached(isReached(state)) ?? [];
      return { blobs: removeBlobs(state), snapshots };
    },
    { durable: true, frees: true },
  );
  state.run("DELETE FROM temp.reached");
  await blobs.discard(unreached.blobs.map(({ digest }) => digest));
  const swept = await sweepers.snapshots?.sweep(unreached.snapshots);
  const retention = sweepers.quarantine === "all" ? 0 : QUARANTINE_RETENTION;
  const leftovers =
    (await removeLeftovers(blobs, writers, sweepers)) + (await emptyQuarantine(blobs.layout, retention));
  const bytes = unreached.blobs.reduce((sum, { size }) => sum + size, 0);
  return {
    blobs: unreached.blobs.length,
    bytes,
    snapshots: unreached.snapshots.length,
    freed: bytes + leftovers + (swept ?? 0),
  };
}
