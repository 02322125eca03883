import { timestampMs } from "./messages.ts";
import { createHash } from "node:crypto";
import { goJsonIndented } from "../../core/index.ts";
import type { BlobContent, BuildRecord } from "../types.ts";
import type { VertexMessage } from "./messages.ts";
import type { StatusLog } from "./status-log.ts";

/** The media type of a trace: one span after the other, as OpenTelemetry's Go library writes its `SpanStub` as JSON. */
const TRACE_TYPE = "application/vnd.buildkit.otlp.json.v0";

/** Kinds and codes of OpenTelemetry, by number. */
const KIND_INTERNAL = 1;
const STATUS_UNSET = 0;
const STATUS_ERROR = 1;

interface Span {
  readonly name: string;
  /** What makes the span's id unique in its trace. */
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly error?: string | undefined;
  readonly attributes: Readonly<Record<string, string>>;
}

/** Returns the trace of a build that has ended: a span for the build, and one for each interval in which a vertex was at work. */
export async function traceBlob(log: StatusLog, build: Pick<BuildRecord, "ref" | "createdAt">): Promise<BlobContent> {
  const spans = await vertexSpans(log);
  const root: Span = {
    name: "build",
    key: "",
    start: build.createdAt,
    end: Math.max(build.createdAt, ...spans.map(({ end }) => end)),
    attributes: { ref: build.ref },
  };
  const texts = [root, ...spans].map((span) => `${goJsonIndented(spanJson(span, build.ref))}\n`);
  return { mediaType: TRACE_TYPE, data: Buffer.from(texts.join("")) };
}

async function vertexSpans(log: StatusLog): Promise<Span[]> {
  const spans = new Map<string, Span>();
  for await (const { vertexes } of log.read())
    for (const vertex of vertexes) {
      const span = spanOf(vertex);
      // A later state of the same interval replaces an earlier one.
      if (span !== undefined) spans.set(span.key, span);
    }
  return [...spans.values()];
}

function spanOf({ digest, name, started, completed, cached, error }: VertexMessage): Span | undefined {
  if (started === undefined || completed === undefined) return undefined;
  const start = timestampMs(started);
  return {
    name,
    key: `${digest} ${start}`,
    start,
    end: timestampMs(completed),
    error,
    attributes: { vertex: digest, ...(cached ? { cached: "true" } : {}) },
  };
}

type Json = Parameters<typeof goJsonIndented>[0];

function spanJson({ name, key, start, end, error = "", attributes }: Span, ref: string): Json {
  const context = (span: string): Json => ({
    TraceID: hash(ref, 16),
    SpanID: hash(`${ref} ${span}`, 8),
    TraceFlags: "01",
    TraceState: "",
    Remote: false,
  });
  const none = { TraceID: "0".repeat(32), SpanID: "0".repeat(16), TraceFlags: "00", TraceState: "", Remote: false };
  const scope = { Name: "varve", Version: "", SchemaURL: "", Attributes: null };
  return {
    Name: name,
    SpanContext: context(key),
    Parent: key === "" ? none : context(""),
    SpanKind: KIND_INTERNAL,
    StartTime: new Date(start).toISOString(),
    EndTime: new Date(end).toISOString(),
    Attributes: Object.entries(attributes).map(([Key, value]) => ({ Key, Value: { Type: "STRING", Value: value } })),
    Events: null,
    Links: null,
    Status: { Code: error === "" ? STATUS_UNSET : STATUS_ERROR, Description: error },
    DroppedAttributes: 0,
    DroppedEvents: 0,
    DroppedLinks: 0,
    ChildSpanCount: 0,
    Resource: [{ Key: "service.name", Value: { Type: "STRING", Value: "varve" } }],
    InstrumentationScope: scope,
    InstrumentationLibrary: scope,
  };
}

/** Returns the first bytes of a digest, as hexadecimal digits. */
function hash(text: string, bytes: number): string {
  return createHash("sha256")
    .update(text)
    .digest("hex")
    .slice(0, 2 * bytes);
}
