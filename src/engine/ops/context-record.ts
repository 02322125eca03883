import { type Hold, type RecordId, SCRATCH } from "../../record/index.ts";
import type { OpDeps } from "./deps.ts";
import type { Result } from "./result.ts";

/** The record of a result. A context directory is copied into one, without what its ignore file leaves out. */
export async function recordOf(result: Result, deps: OpDeps, hold: Hold): Promise<RecordId> {
  if (result.kind === "record") return result.id;
  const { context } = result;
  await using layer = await deps.records.begin(
    SCRATCH,
    { description: `local source for ${context.name}`, type: "source.local" },
    hold,
  );
  await context.copyTo(layer.path, hold.signal);
  return (await layer.commit()).id;
}
