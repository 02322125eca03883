import { type Change, MAX_CHANGES, type Reason } from "./reason.ts";

/** Returns a reason with at most `MAX_CHANGES` changes, those of causes and the files of results included. Totals stay. */
export function bounded(reason: Reason): Reason {
  return within(reason, { left: MAX_CHANGES });
}

function within(reason: Reason, budget: { left: number }): Reason {
  if (reason.kind !== "changed") return reason;
  const changes: Change[] = [];
  for (const change of reason.changes) {
    if (budget.left <= 0) break;
    budget.left -= 1;
    changes.push(change.kind === "step" ? boundedStep(change, budget) : change);
  }
  return { ...reason, changes };
}

type StepChange = Extract<Change, { readonly kind: "step" }>;

function boundedStep(change: StepChange, budget: { left: number }): StepChange {
  const files = change.files.slice(0, Math.max(0, budget.left));
  budget.left -= files.length;
  return { ...change, files, ...(change.cause === undefined ? {} : { cause: within(change.cause, budget) }) };
}
