import type { Digest } from "../core/index.ts";
import type { Database } from "../state/index.ts";

/** What an edge may leave. Of these `image` and `record` are roots, `lease` is one until it expires. */
export type HolderKind = "lease" | "image" | "record" | "blob" | "snapshot";
/** What an edge may lead to. */
export type HeldKind = "record" | "blob" | "snapshot";

export interface Holder {
  readonly kind: HolderKind;
  /** A lease's id, an image's normalised name, a record's id, a blob's digest, a snapshot's key or name. */
  readonly id: string;
}

export interface Held {
  readonly kind: HeldKind;
  readonly id: string;
}

/** `from` keeps `to` alive from now on. Nothing happens if it does already. */
export function addEdge(state: Database, from: Holder, to: Held): void {
  state.run("INSERT OR IGNORE INTO edge VALUES (?, ?, ?, ?)", from.kind, from.id, to.kind, to.id);
}

export function removeEdge(state: Database, from: Holder, to: Held): void {
  state.run(
    "DELETE FROM edge WHERE from_kind = ? AND from_id = ? AND to_kind = ? AND to_id = ?",
    from.kind,
    from.id,
    to.kind,
    to.id,
  );
}

/** Whoever removes an image or a record calls this in the same transaction: its edges are what makes it a root. */
export function removeEdgesFrom(state: Database, from: Holder): void {
  state.run("DELETE FROM edge WHERE from_kind = ? AND from_id = ?", from.kind, from.id);
}

/** Whoever removes what edges lead to calls this in the same transaction. */
export function removeEdgesTo(state: Database, to: Held): void {
  state.run("DELETE FROM edge WHERE to_kind = ? AND to_id = ?", to.kind, to.id);
}

/** Gives what edges leave another id. */
export function renameHolder(state: Database, from: Holder, id: string): void {
  state.run("UPDATE edge SET from_id = ? WHERE from_kind = ? AND from_id = ?", id, from.kind, from.id);
}

export function edgesFrom(state: Database, from: Holder): Held[] {
  return state.all<Held>(
    "SELECT to_kind AS kind, to_id AS id FROM edge WHERE from_kind = ? AND from_id = ?",
    from.kind,
    from.id,
  );
}

export function edgesTo(state: Database, to: Held): Holder[] {
  return state.all<Holder>(
    "SELECT from_kind AS kind, from_id AS id FROM edge WHERE to_kind = ? AND to_id = ?",
    to.kind,
    to.id,
  );
}

/** True if a lease that has not expired holds this directly. */
export function isLeased(state: Database, held: Held): boolean {
  return (
    state.get(
      "SELECT 1 FROM edge JOIN lease ON lease.id = edge.from_id WHERE to_kind = ? AND to_id = ? AND from_kind = 'lease' AND expires_at > ? LIMIT 1",
      held.kind,
      held.id,
      Date.now(),
    ) !== undefined
  );
}

/** What unexpired leases hold of one kind, and everything of that kind below it. */
export function leased(state: Database, kind: HeldKind, now: number = Date.now()): Set<string> {
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

/** Every blob that an image leads to, also those that are lost. */
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
