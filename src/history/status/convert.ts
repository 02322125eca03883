import { timestampFromMs } from "./messages.ts";
import type { BuildEvent, StatusEvent, VertexEvent, WarningEvent } from "../../engine/index.ts";
import type { SourceRange } from "../../dockerfile/index.ts";
import { type LineRange, lineRanges } from "../../dockerfile/index.ts";
import { type VertexMessage, type VertexStatusMessage, type VertexWarningMessage } from "./messages.ts";

/** The error by which clients recognise that a vertex was cancelled, and did not fail. */
export const CANCELLED = "context canceled";

/** What the error of a build says around that of its vertex. */
const OUTER_ERROR = /^failed to (?:compute|load) cache key: /;

/** The level of a warning that names none. */
const WARNING_LEVEL = 1;

export type LogEvent = Extract<BuildEvent, { readonly kind: "log" }>;

const text = (value: string): Uint8Array => Buffer.from(value);

export function vertexMessage(event: VertexEvent): VertexMessage {
  const { digest, inputs, name, startedAt, completedAt, cached = false, progressGroup } = event;
  return {
    digest,
    inputs: [...inputs],
    name,
    cached,
    started: startedAt === undefined ? undefined : timestampFromMs(startedAt),
    completed: completedAt === undefined ? undefined : timestampFromMs(completedAt),
    error: event.cancelled === true ? CANCELLED : (event.error ?? "").replace(OUTER_ERROR, ""),
    progressGroup,
  };
}

/** `at` is the time of the event. */
export function statusMessage(event: StatusEvent, at: number): VertexStatusMessage {
  const { id, vertex, current, total = 0, startedAt, completedAt } = event;
  return {
    id,
    vertex,
    name: actionOf(id),
    current: BigInt(Math.round(current)),
    total: BigInt(Math.round(total)),
    timestamp: timestampFromMs(at),
    started: timestampFromMs(startedAt),
    completed: completedAt === undefined ? undefined : timestampFromMs(completedAt),
  };
}

/** Returns what is done: the verb of the statuses whose id starts with one, else nothing. */
function actionOf(id: string): string {
  return /^(transferring|extracting|copying)\b/.exec(id)?.[1] ?? "";
}

export function warningMessage(event: WarningEvent, vertex: string): VertexWarningMessage {
  const { short, detail, url = "", level = WARNING_LEVEL, location, source } = event;
  // BuildKit lists the lines of a Dockerfile one by one. Clients choose ranges themselves.
  const ranges = (range: SourceRange): LineRange[] =>
    location === undefined ? [givenRange(range)] : lineRanges(range);
  const info = source && {
    filename: source.name,
    data: text(source.text),
    language: "Dockerfile",
  };
  return {
    vertex,
    level: BigInt(level),
    short: text(location === undefined ? short : `${short} (line ${location.line})`),
    detail: detail.filter((line) => line !== "").map(text),
    url,
    info,
    ranges: (source?.ranges ?? []).flatMap(ranges),
  };
}

function givenRange({ start, end }: SourceRange): LineRange {
  const position = ({ line, column }: SourceRange["start"]): LineRange["start"] => ({ line, character: column });
  return { start: position(start), end: position(end) };
}
