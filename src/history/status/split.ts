import type { Timestamp } from "./messages.ts";
import { type StatusItem, sizeOf } from "./journal.ts";
import type {
  StatusMessage,
  VertexLogMessage,
  VertexMessage,
  VertexStatusMessage,
  VertexWarningMessage,
} from "./messages.ts";

/** Number of bytes after which another message starts. */
const MAX_MESSAGE = 1024 * 1024;

/**
 * Converts changes of a build's status to messages of about 1 MiB at most. Vertices come first, those that have not started before the
 * others, which are sorted by their start; then statuses by time, warnings, and logs by time.
 */
export function* statusMessages(items: readonly StatusItem[]): Generator<StatusMessage> {
  let part = new Part();
  for (const item of inOrder(items)) {
    if (part.size > 0 && part.size + sizeOf(item) > MAX_MESSAGE) {
      yield part.message;
      part = new Part();
    }
    part.add(item);
  }
  if (part.size > 0) yield part.message;
}

class Part {
  size = 0;
  readonly #vertexes: VertexMessage[] = [];
  readonly #statuses: VertexStatusMessage[] = [];
  readonly #logs: VertexLogMessage[] = [];
  readonly #warnings: VertexWarningMessage[] = [];

  get message(): StatusMessage {
    return { vertexes: this.#vertexes, statuses: this.#statuses, logs: this.#logs, warnings: this.#warnings };
  }

  add(item: StatusItem): void {
    this.size += sizeOf(item);
    switch (item.kind) {
      case "vertex":
        this.#vertexes.push(item.message);
        return;
      case "status":
        this.#statuses.push(item.message);
        return;
      case "warning":
        this.#warnings.push(item.message);
        return;
      case "log":
        this.#logs.push(item.message);
    }
  }
}

const KINDS: readonly StatusItem["kind"][] = ["vertex", "status", "warning", "log"];

function inOrder(items: readonly StatusItem[]): StatusItem[] {
  return items.toSorted((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || compare(timeOf(a), timeOf(b)));
}

function timeOf({ kind, message }: StatusItem): Timestamp | undefined {
  switch (kind) {
    case "vertex":
      return message.started;
    case "status":
    case "log":
      return message.timestamp;
    case "warning":
      return undefined;
  }
}

/** Absent times come first. */
function compare(a: Timestamp | undefined, b: Timestamp | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return a.seconds === b.seconds ? a.nanos - b.nanos : a.seconds < b.seconds ? -1 : 1;
}
