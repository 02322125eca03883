import type { TransferEvent } from "../../registry/index.ts";
import { type OnWait, type Wait, describeWait } from "../../io/index.ts";
import type { OpReport } from "../../solver/index.ts";
import type { StatusEvent } from "./events.ts";

/** The progress of a transfer: a `StatusEvent` without its vertex. */
export type TransferStatus = Omit<StatusEvent, "kind" | "vertex">;

/** Returns a function that converts transfer events to statuses. The start of a transfer is the time of its first event. */
export function transferStatuses(): (event: TransferEvent) => TransferStatus {
  const started = new Map<string, number>();
  return ({ digest, current, total, state }) => {
    const startedAt = started.get(digest) ?? Date.now();
    started.set(digest, startedAt);
    const ended = state !== "waiting" && state !== "running" && state !== "retrying";
    return { id: digest, current, total, startedAt, ...(ended ? { completedAt: Date.now() } : {}) };
  };
}

/** Converts a wait for a server to a log line. */
function waitLine(wait: Wait): OpReport & { readonly kind: "log" } {
  return { kind: "log", stream: 2, data: Buffer.from(`${describeWait(wait)}\n`) };
}

/** Returns a function that reports waits as lines of a vertex's log. */
export function waitReporter(report: (line: OpReport) => void): OnWait {
  return (wait) => report(waitLine(wait));
}
