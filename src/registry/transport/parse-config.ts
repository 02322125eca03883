import { type JsonNode, type JsonObject, definedFields, readJsonValue } from "../../core/index.ts";
import { resolve } from "node:path";
import type { RegistryConfig, RegistryHostConfig } from "./config.ts";

const MAX_MIRRORS = 32;
/** Characters of a mirror's URL. */
const MAX_MIRROR = 1024;

/**
 * Validates a configuration from outside. Relative paths become absolute.
 *
 * @throws {VarveError} `invalid-argument` that names the wrong field.
 */
export function parseRegistryConfig(value: unknown): RegistryConfig {
  const json = readJsonValue(value, "the configuration of registries", { code: "invalid-argument" }).requiredObject();
  const registries = json.field("registries").map(readHost) ?? json.field("registries").fail("an object");
  json.rejectUnknown();
  return { registries: Object.fromEntries(registries) };
}

function readHost(item: JsonNode): RegistryHostConfig {
  const json = item.requiredObject();
  const host: RegistryHostConfig = {
    mirrors: json.field("mirrors").list(readMirror, MAX_MIRRORS),
    insecure: json.boolean("insecure"),
    http: json.boolean("http"),
    ca: readPath(json, "ca"),
    cert: readPath(json, "cert"),
    key: readPath(json, "key"),
  };
  json.rejectUnknown();
  if ((host.cert === undefined) !== (host.key === undefined)) item.fail("complete: cert and key go together");
  return definedFields<RegistryHostConfig>(host);
}

function readMirror(item: JsonNode): string {
  const mirror = item.string() ?? "";
  return mirror !== "" && mirror.length <= MAX_MIRROR ? mirror : item.fail("a host or URL");
}

function readPath(json: JsonObject, key: string): string | undefined {
  const path = json.string(key);
  if (path === "") json.field(key).fail("a path");
  return path === undefined ? undefined : resolve(path);
}
