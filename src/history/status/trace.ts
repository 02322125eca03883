import { timestampMs } from "./messages.ts";
import { createHash } from "node:crypto";
import { goJsonIndented } from "../../core/index.ts";
import type { BlobContent, BuildRecord } from "../types.ts";
import type { VertexMessage, VertexStatusMessage } from "./messages.ts";
import type { StatusLog } from "./status-log.ts";

/** The media type of a trace: one span after the other, as OpenTelemetry's Go library writes its `SpanStub` as JSON. */
const TRACE_TYPE = "application/vnd.buildkit.otlp.json.v0";

/** Kinds and codes of OpenTelemetry, by number. */
const KIND_INTERNAL = 1;
const STATUS_UNSET = 0;
const STATUS_ERROR = 1;

interface Span {
  readonly name: string;
  /** What makes the span's id unique in its trace. Empty: the build's own span. */
  readonly key: string;
  /** The key of the span that it is a part of. */
  readonly parent: string;
  readonly start: number;
  readonly end: number;
  readonly error?: string | undefined;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Returns the trace of a build that has ended: a span for the build, in it one for each interval in which a vertex was at work, and in
 * these one for each of their statuses, such as a transfer.
 */
export async function traceBlob(log: StatusLog, build: Pick<BuildRecord, "ref" | "createdAt">): Promise<BlobContent> {
  const spans = await spansOf(log);
  const root: Span = {
    name: "build",
    key: "",
    parent: "",
    start: build.createdAt,
    end: spans.reduce((end, span) => Math.max(end, span.end), build.createdAt),
    attributes: { ref: build.ref },
  };
  const children = new Map<string, number>();
  for (const { parent } of spans) children.set(parent, (children.get(parent) ?? 0) + 1);
  const texts = [root, ...spans].map(
    (span) => `${goJsonIndented(spanJson(span, build.ref, children.get(span.key) ?? 0))}\n`,
  );
  return { mediaType: TRACE_TYPE, data: Buffer.from(texts.join("")) };
}

/** Returns the spans of the vertices, then those of their statuses. */
async function spansOf(log: StatusLog): Promise<Span[]> {
  const vertices = new Map<string, Span>();
  const statuses = new Map<string, VertexStatusMessage>();
  for await (const message of log.read()) {
    for (const vertex of message.vertexes) {
      const span = vertexSpan(vertex);
      // A later state of the same interval replaces an earlier one.
      if (span !== undefined) vertices.set(span.key, span);
    }
    for (const status of message.statuses) statuses.set(`${status.vertex} ${status.id}`, status);
  }
  const ofVertex = Map.groupBy(vertices.values(), ({ attributes }) => attributes["vertex"]);
  const parts = [...statuses.values()].flatMap((status) => statusSpan(status, ofVertex.get(status.vertex) ?? []));
  return [...vertices.values(), ...parts];
}

function vertexSpan({ digest, name, started, completed, cached, error }: VertexMessage): Span | undefined {
  if (started === undefined || completed === undefined) return undefined;
  const start = timestampMs(started);
  return {
    name,
    key: `${digest} ${start}`,
    parent: "",
    start,
    end: timestampMs(completed),
    error,
    attributes: { vertex: digest, ...(cached ? { cached } : {}) },
  };
}

/** Returns nothing for a status that has no time, or lies in no interval of its vertex. */
function statusSpan(status: VertexStatusMessage, intervals: readonly Span[]): Span[] {
  const { id, vertex, started, completed, current } = status;
  if (started === undefined || completed === undefined) return [];
  const [start, end] = [timestampMs(started), timestampMs(completed)];
  const parent = intervals.findLast((interval) => interval.start <= start && start <= interval.end);
  if (parent === undefined) return [];
  const attributes = { vertex, ...(current > 0n ? { current: Number(current) } : {}) };
  return [{ name: id, key: `${parent.key} ${id}`, parent: parent.key, start, end, attributes }];
}

type Json = Parameters<typeof goJsonIndented>[0];

function spanJson(span: Span, ref: string, children: number): Json {
  const { name, key, parent, start, end, error = "", attributes } = span;
  const context = (of: string): Json => ({
    TraceID: hash(ref, 16),
    SpanID: hash(`${ref} ${of}`, 8),
    TraceFlags: "01",
    TraceState: "",
    Remote: false,
  });
  const none = { TraceID: "0".repeat(32), SpanID: "0".repeat(16), TraceFlags: "00", TraceState: "", Remote: false };
  const scope = { Name: "varve", Version: "", SchemaURL: "", Attributes: null };
  return {
    Name: name,
    SpanContext: context(key),
    Parent: key === "" ? none : context(parent),
    SpanKind: KIND_INTERNAL,
    StartTime: new Date(start).toISOString(),
    EndTime: new Date(end).toISOString(),
    Attributes: Object.entries(attributes).map(([Key, value]) => ({ Key, Value: valueJson(value) })),
    Events: null,
    Links: null,
    Status: { Code: error === "" ? STATUS_UNSET : STATUS_ERROR, Description: error },
    DroppedAttributes: 0,
    DroppedEvents: 0,
    DroppedLinks: 0,
    ChildSpanCount: children,
    Resource: [{ Key: "service.name", Value: valueJson("varve") }],
    InstrumentationScope: scope,
    InstrumentationLibrary: scope,
  };
}

function valueJson(value: string | number | boolean): Json {
  switch (typeof value) {
    case "number":
      return { Type: "INT64", Value: value };
    case "boolean":
      return { Type: "BOOL", Value: value };
    default:
      return { Type: "STRING", Value: value };
  }
}

/** Returns the first bytes of a digest, as hexadecimal digits. */
function hash(text: string, bytes: number): string {
  return createHash("sha256")
    .update(text)
    .digest("hex")
    .slice(0, 2 * bytes);
}
