import type { TransferEvent } from "../../registry/index.ts";
import { type Wait, describeWait } from "../../io/index.ts";
import type { OpReport } from "../../solver/index.ts";
import type { StatusEvent } from "./events.ts";

/** How far a transfer has come, in the words of a `StatusEvent`; of which vertex is for the caller to say. */
export type TransferStatus = Omit<StatusEvent, "kind" | "vertex">;

/** Turns what transfers tell into statuses by their digests; remembers when each began. */
export function transferStatuses(): (event: TransferEvent) => TransferStatus {
  const started = new Map<string, number>();
  return ({ digest, current, total, state }) => {
    const startedAt = started.get(digest) ?? Date.now();
    started.set(digest, startedAt);
    const ended = state !== "waiting" && state !== "running" && state !== "retrying";
    return { id: digest, current, total, startedAt, ...(ended ? { completedAt: Date.now() } : {}) };
  };
}

/** A wait for another machine as a line of the log of whoever waits. */
export function waitLine(wait: Wait): OpReport & { readonly kind: "log" } {
  return { kind: "log", stream: 2, data: Buffer.from(`${describeWait(wait)}\n`) };
}
