import type { State } from "../state/index.ts";

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
export function addEdge(state: State, from: Holder, to: Held): void {
  state.run("INSERT OR IGNORE INTO edge VALUES (?, ?, ?, ?)", from.kind, from.id, to.kind, to.id);
}

export function removeEdge(state: State, from: Holder, to: Held): void {
  state.run(
    "DELETE FROM edge WHERE from_kind = ? AND from_id = ? AND to_kind = ? AND to_id = ?",
    from.kind,
    from.id,
    to.kind,
    to.id,
  );
}

/** Whoever removes an image or a record calls this in the same transaction: its edges are what makes it a root. */
export function removeEdgesFrom(state: State, from: Holder): void {
  state.run("DELETE FROM edge WHERE from_kind = ? AND from_id = ?", from.kind, from.id);
}

export function edgesFrom(state: State, from: Holder): Held[] {
  return state.all<Held>(
    "SELECT to_kind AS kind, to_id AS id FROM edge WHERE from_kind = ? AND from_id = ?",
    from.kind,
    from.id,
  );
}

export function edgesTo(state: State, to: Held): Holder[] {
  return state.all<Holder>(
    "SELECT from_kind AS kind, from_id AS id FROM edge WHERE to_kind = ? AND to_id = ?",
    to.kind,
    to.id,
  );
}

/** True if a lease that has not expired holds this directly. */
export function isLeased(state: State, held: Held): boolean {
  return (
    state.get(
      "SELECT 1 FROM edge JOIN lease ON lease.id = edge.from_id WHERE to_kind = ? AND to_id = ? AND from_kind = 'lease' AND expires_at > ? LIMIT 1",
      held.kind,
      held.id,
      Date.now(),
    ) !== undefined
  );
}
