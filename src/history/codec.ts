import { type Descriptor, type JsonNode, type JsonObject, parseJson, readDescriptor } from "../core/index.ts";
import type { BuildExporter, BuildRecord, BuildResultBlobs } from "./types.ts";

type Pairs = readonly (readonly [string, unknown])[];

/** Encodes what the table has no column for. Maps become lists of pairs, so that no key becomes a property. */
export function encodeRecord(record: BuildRecord): string {
  const { frontend, attributes, exporters, error, externalError, metadata, logs, trace } = record;
  const { result, results, steps, warnings, generation } = record;
  return JSON.stringify({
    frontend,
    attributes: [...attributes],
    exporters: exporters.map((exporter) => ({ type: exporter.type, attributes: [...exporter.attributes] })),
    error,
    externalError,
    metadata: [...metadata],
    logs,
    trace,
    result: result && blobsJson(result),
    results: [...results].map(([platform, blobs]) => [platform, blobsJson(blobs)]) satisfies Pairs,
    steps,
    warnings,
    generation,
  });
}

function blobsJson({ attestations, exports }: BuildResultBlobs): object {
  return { attestations, exports: [...exports].map(([index, descriptor]) => ({ index, descriptor })) };
}

/** The columns of a stored record. */
export interface RecordRow {
  readonly ref: string;
  readonly created_at: number;
  readonly completed_at: number;
  readonly is_pinned: number;
  readonly data: string;
}

export function decodeRecord(row: RecordRow): BuildRecord {
  const json = parseJson(row.data, `the record of build ${row.ref}`).requiredObject();
  const error = json.object("error");
  const result = json.object("result");
  const steps = json.object("steps");
  return {
    ref: row.ref,
    createdAt: row.created_at,
    completedAt: row.completed_at,
    isPinned: row.is_pinned !== 0,
    frontend: json.string("frontend") ?? "",
    attributes: stringPairs(json.field("attributes")),
    exporters: json.objects("exporters").map(readExporter),
    error: error && { message: error.string("message") ?? "", status: error.integer("status") ?? 0 },
    externalError: descriptorOf(json, "externalError"),
    metadata: stringPairs(json.field("metadata")),
    logs: descriptorOf(json, "logs"),
    trace: descriptorOf(json, "trace"),
    result: result && readBlobs(result),
    results: new Map(pairs(json.field("results"), (item) => readBlobs(item.requiredObject()))),
    steps: {
      total: steps?.integer("total") ?? 0,
      cached: steps?.integer("cached") ?? 0,
      completed: steps?.integer("completed") ?? 0,
    },
    warnings: json.integer("warnings") ?? 0,
    generation: json.integer("generation") ?? 0,
  };
}

function readExporter(json: JsonObject): BuildExporter {
  return { type: json.string("type") ?? "", attributes: stringPairs(json.field("attributes")) };
}

function readBlobs(json: JsonObject): BuildResultBlobs {
  return {
    attestations: json.objects("attestations").map((item) => readDescriptor(item)),
    exports: new Map(
      json
        .objects("exports")
        .map((item) => [item.integer("index") ?? 0, readDescriptor(item.field("descriptor").requiredObject())]),
    ),
  };
}

function descriptorOf(json: JsonObject, key: string): Descriptor | undefined {
  const object = json.object(key);
  return object && readDescriptor(object);
}

function stringPairs(node: JsonNode): Map<string, string> {
  return new Map(pairs(node, (item) => item.string() ?? ""));
}

function pairs<T>(node: JsonNode, read: (item: JsonNode) => T): (readonly [string, T])[] {
  const lists = node.list((item) => item.list((member) => member) ?? []) ?? [];
  return lists.map(([key, value]) => {
    if (key === undefined || value === undefined) return node.fail("a list of pairs");
    return [key.string() ?? "", read(value)];
  });
}
