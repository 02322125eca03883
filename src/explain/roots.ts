import { type Change, MAX_CHANGES, type Reason } from "./reason.ts";

const roots = new WeakMap<Reason, Reason>();

/**
 * Returns a reason without the changes that only follow from another step: those of that step stand in their place, each once. So a
 * reason stays small however many paths lead to the same change.
 */
export function rootReason(reason: Reason): Reason {
  if (reason.kind !== "changed") return reason;
  const known = roots.get(reason);
  if (known !== undefined) return known;
  const changes = [...new Set(reason.changes.flatMap(rootChanges))];
  const left = reason.total - reason.changes.length;
  const found: Reason = { kind: "changed", changes: changes.slice(0, MAX_CHANGES), total: changes.length + left };
  roots.set(reason, found);
  return found;
}

/** The cause of a change has been treated so itself. */
function rootChanges(change: Change): readonly Change[] {
  return change.kind === "step" && change.files.length === 0 && change.cause?.kind === "changed"
    ? change.cause.changes
    : [change];
}
