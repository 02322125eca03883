import type { Digest } from "../core/index.ts";
import type { Database } from "../state/index.ts";

/** Kinds that an edge may start from. `image` and `record` are roots; a `lease` is a root until it expires. */
export type EdgeSourceKind = "lease" | "image" | "record" | "blob" | "snapshot";
/** Kinds that an edge may lead to. */
export type EdgeTargetKind = "record" | "blob" | "snapshot";

/** A node that keeps others. */
export interface EdgeSource {
  readonly kind: EdgeSourceKind;
  /** A lease's id, an image's normalised name, a record's id, a blob's digest, a snapshot's key or name. */
  readonly id: string;
}

/** A node that is kept. */
export interface EdgeTarget {
  readonly kind: EdgeTargetKind;
  readonly id: string;
}

/** Adds an edge: `from` keeps `to`. Does nothing if the edge exists. */
export function addEdge(state: Database, from: EdgeSource, to: EdgeTarget): void {
  state.run("INSERT OR IGNORE INTO edge VALUES (?, ?, ?, ?)", from.kind, from.id, to.kind, to.id);
}

/** Removes one edge. */
export function removeEdge(state: Database, from: EdgeSource, to: EdgeTarget): void {
  state.run(
    "DELETE FROM edge WHERE from_kind = ? AND from_id = ? AND to_kind = ? AND to_id = ?",
    from.kind,
    from.id,
    to.kind,
    to.id,
  );
}

/** Removes all edges from a node. Call it in the transaction that removes an image or a record: its edges make it a root. */
export function removeEdgesFrom(state: Database, from: EdgeSource): void {
  state.run("DELETE FROM edge WHERE from_kind = ? AND from_id = ?", from.kind, from.id);
}

/** Removes all edges to a node. Call it in the transaction that removes the node. */
export function removeEdgesTo(state: Database, to: EdgeTarget): void {
  state.run("DELETE FROM edge WHERE to_kind = ? AND to_id = ?", to.kind, to.id);
}

/** Changes the id of the node that edges start from. */
export function renameEdgeSource(state: Database, from: EdgeSource, id: string): void {
  state.run("UPDATE edge SET from_id = ? WHERE from_kind = ? AND from_id = ?", id, from.kind, from.id);
}

/** Returns the targets of all edges from a node. */
export function edgesFrom(state: Database, from: EdgeSource): EdgeTarget[] {
  return state.all<EdgeTarget>(
    "SELECT to_kind AS kind, to_id AS id FROM edge WHERE from_kind = ? AND from_id = ?",
    from.kind,
    from.id,
  );
}

/** Returns the sources of all edges to a node. */
export function edgesTo(state: Database, to: EdgeTarget): EdgeSource[] {
  return state.all<EdgeSource>(
    "SELECT from_kind AS kind, from_id AS id FROM edge WHERE to_kind = ? AND to_id = ?",
    to.kind,
    to.id,
  );
}

/** True if a lease that has not expired has an edge to this node. */
export function isLeased(state: Database, target: EdgeTarget): boolean {
  return (
    state.get(
      "SELECT 1 FROM edge JOIN lease ON lease.id = edge.from_id WHERE to_kind = ? AND to_id = ? AND from_kind = 'lease' AND expires_at > ? LIMIT 1",
      target.kind,
      target.id,
      Date.now(),
    ) !== undefined
  );
}

/** Returns the nodes of one kind that unexpired leases hold, and all nodes of that kind below them. */
export function leased(state: Database, kind: EdgeTargetKind, now: number = Date.now()): Set<string> {
  const rows = state.all<{ id: string }>(
    `WITH RECURSIVE held(id) AS (
       SELECT to_id FROM edge JOIN lease ON lease.id = edge.from_id
         WHERE from_kind = 'lease' AND to_kind = ?1 AND expires_at > ?2
       UNION SELECT to_id FROM edge JOIN held ON edge.from_id = held.id WHERE from_kind = ?1 AND to_kind = ?1)
     SELECT id FROM held`,
    kind,
    now,
  );
  return new Set(rows.map(({ id }) => id));
}

/** Returns every blob that an image reaches, lost ones included. */
export function blobsOfImages(state: Database): Set<Digest> {
  const rows = state.all<{ id: Digest }>(
    `WITH RECURSIVE walk(id) AS (
       SELECT to_id FROM edge WHERE from_kind = 'image' AND to_kind = 'blob'
       UNION SELECT to_id FROM edge JOIN walk ON from_kind = 'blob' AND from_id = walk.id WHERE to_kind = 'blob')
     SELECT id FROM walk`,
  );
  return new Set(rows.map(({ id }) => id));
}

/** Blobs of the store that lead to a blob: of a config, its manifests. In order. */
export function blobsHolding(state: Database, digest: Digest): Digest[] {
  const rows = state.all<{ id: Digest }>(
    `SELECT from_id AS id FROM edge WHERE from_kind = 'blob' AND to_kind = 'blob' AND to_id = ?
       AND from_id IN (SELECT digest FROM blob) ORDER BY from_id`,
    digest,
  );
  return rows.map(({ id }) => id);
}

/** Names and ids of images that hold a blob, or a blob that leads to it: of a manifest, also those of its indexes. In order. */
export function imagesHolding(state: Database, digest: Digest): string[] {
  const rows = state.all<{ id: string }>(
    `SELECT DISTINCT from_id AS id FROM edge WHERE from_kind = 'image' AND to_kind = 'blob' AND (to_id = ?1 OR to_id IN
       (SELECT from_id FROM edge WHERE from_kind = 'blob' AND to_kind = 'blob' AND to_id = ?1)) ORDER BY from_id`,
    digest,
  );
  return rows.map(({ id }) => id);
}
