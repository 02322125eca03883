import {
  type JsonNode,
  type JsonObject,
  definedFields,
  isVarveError,
  parseGoDuration,
  readJsonValue,
} from "../core/index.ts";
import { parseFilters } from "../record/index.ts";
import { type CollectionPolicy, type CollectionSettings, type DiskSpace, parseDiskSpace } from "./policies.ts";

const MAX_POLICIES = 32;
const MAX_FILTERS = 32;
const NS_PER_MS = 1e6;

/**
 * Reads the settings of automatic collection from parsed JSON.
 *
 * @throws {VarveError} `invalid-argument` for a setting that is unknown or cannot be read.
 */
export function readCollectionSettings(value: unknown): CollectionSettings {
  const json = readJsonValue(value, "the configuration of collection", { code: "invalid-argument" }).requiredObject();
  const settings: CollectionSettings = {
    enabled: json.boolean("enabled"),
    ...sizes(json),
    policies: json.field("policies").list(readPolicy, MAX_POLICIES),
  };
  json.rejectUnknown();
  return definedFields<CollectionSettings>(settings);
}

function readPolicy(item: JsonNode): CollectionPolicy {
  const json = item.requiredObject();
  const policy: CollectionPolicy = {
    all: json.boolean("all"),
    filters: json.field("filters").list(readFilter, MAX_FILTERS),
    keepDuration: readDuration(json.field("keepDuration")),
    ...sizes(json),
  };
  json.rejectUnknown();
  return definedFields<CollectionPolicy>(policy);
}

function sizes(json: JsonObject): Pick<CollectionSettings, "reservedSpace" | "maxUsedSpace" | "minFreeSpace"> {
  return {
    reservedSpace: readDiskSpace(json.field("reservedSpace")),
    maxUsedSpace: readDiskSpace(json.field("maxUsedSpace")),
    minFreeSpace: readDiskSpace(json.field("minFreeSpace")),
  };
}

/** Reads an amount of disk space: a number of bytes, or a text for `parseDiskSpace`. */
export function readDiskSpace(node: JsonNode): DiskSpace | undefined {
  if (node.isAbsent) return undefined;
  if (typeof node.raw === "number") return node.size();
  return parsed(node, parseDiskSpace, 'a size such as "10GB" or "20%"');
}

/** Reads a duration in Go's syntax, or a number of seconds. Returns milliseconds. */
export function readDuration(node: JsonNode): number | undefined {
  if (node.isAbsent) return undefined;
  if (typeof node.raw === "number") return node.size() * 1000;
  const parse = (text: string): number =>
    /^\d{1,12}$/.test(text) ? Number(text) * 1000 : parseGoDuration(text) / NS_PER_MS;
  return parsed(node, parse, 'a duration such as "48h"');
}

function readFilter(node: JsonNode): string {
  const text = node.string() ?? "";
  parsed(node, (filter) => parseFilters([filter]), "a filter such as type==exec.cachemount");
  return text;
}

function parsed<T>(node: JsonNode, parse: (text: string) => T, expected: string): T {
  try {
    return parse(node.string() ?? "");
  } catch (error) {
    if (isVarveError(error, "invalid-argument") && typeof node.raw === "string") return node.fail(expected);
    throw error;
  }
}
