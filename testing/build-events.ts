import type { BuildEvent, StatusEvent, VertexEvent } from "../src/engine/index.ts";
import { digestOf } from "../src/core/index.ts";

/** Midnight, 1 January 2026; events' times are milliseconds after it. */
export const EPOCH: number = Date.UTC(2026, 0, 1);

type Times = Partial<Pick<VertexEvent, "cached" | "cache" | "error" | "cancelled">> & {
  readonly start?: number;
  readonly end?: number;
};

/** What a build tells of a vertex, whose digest is that of its name. */
export function vertex(name: string, { start, end, ...rest }: Times = {}): VertexEvent {
  return {
    kind: "vertex",
    digest: digestOf(name),
    name,
    inputs: [],
    ...(start === undefined ? {} : { startedAt: EPOCH + start }),
    ...(end === undefined ? {} : { completedAt: EPOCH + end }),
    ...rest,
  };
}

export function log(name: string, data: string | Uint8Array, at = 0): BuildEvent {
  return { kind: "log", vertex: digestOf(name), stream: 1, data: Buffer.from(data), at: EPOCH + at };
}

export function status(name: string, id: string, more: Partial<StatusEvent> = {}): StatusEvent {
  return { kind: "status", vertex: digestOf(name), id, current: 0, startedAt: EPOCH, ...more };
}

export function warning(short: string, name?: string): BuildEvent {
  return { kind: "warning", short, detail: [], ...(name === undefined ? {} : { vertex: digestOf(name) }) };
}
