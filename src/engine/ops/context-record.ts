import { type Hold, type RecordId, SCRATCH } from "../../record/index.ts";
import type { OpDeps } from "./deps.ts";
import type { Result } from "./result.ts";

/** Returns the record of a result. Copies a context directory into a new record, without the files that it ignores. */
export async function recordOf(result: Result, deps: Pick<OpDeps, "records">, hold: Hold): Promise<RecordId> {
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
