import type { BuildOutcome, BuildRecord } from "../types.ts";
import type { StatusLog } from "./status-log.ts";
import { statusBlob } from "./stored-status.ts";
import { traceBlob } from "./trace.ts";

type StatusOutcome = Pick<BuildOutcome, "logs" | "trace" | "steps" | "warnings">;

/** Returns what the history keeps of the status of a build. The status must be closed. */
export async function statusOutcome(
  status: StatusLog,
  build: Pick<BuildRecord, "ref" | "createdAt">,
): Promise<StatusOutcome> {
  const { total, cached, completed, warnings } = status.counts;
  return {
    logs: statusBlob(status),
    trace: await traceBlob(status, build),
    steps: { total, cached, completed },
    warnings,
  };
}
