import type { Digest } from "../../core/index.ts";
import type { OnBuildEvent } from "./events.ts";

/**
 * Returns a listener that passes events on and adds why a vertex runs to its log, for clients whose displays do not know reasons: one
 * line, `missed: package.json changed`, when the vertex starts.
 */
export function withReasonLogs(emit: OnBuildEvent): OnBuildEvent {
  const told = new Set<Digest>();
  return (event) => {
    emit(event);
    if (event.kind !== "vertex" || event.startedAt === undefined || told.has(event.digest)) return;
    const text = event.why?.text ?? "";
    if (text === "") return;
    told.add(event.digest);
    const data = Buffer.from(`missed: ${text}\n`);
    emit({ kind: "log", vertex: event.digest, stream: 2, data, at: event.startedAt });
  };
}
