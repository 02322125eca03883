import { compareBytes, parseJson } from "../../../core/index.ts";
import type { CacheSpec } from "../../../engine/index.ts";
import { type Attributes, attributeError } from "./attributes.ts";

/** Returns the caches to import that the attributes of a front end name. */
function cacheImportsOf(attributes: Attributes): CacheSpec[] {
  return [...listed(attributes.get("cache-imports") ?? ""), ...references(attributes.get("cache-from") ?? "")];
}

/** Parses JSON: `[{"Type":"registry","Attrs":{"ref":"app:cache"}}]`. */
function listed(text: string): CacheSpec[] {
  if (text === "") return [];
  const error = (): Error => attributeError(`failed to unmarshal cache-imports (${JSON.stringify(text)})`);
  const entries = parseJson(text, "cache-imports", { error }).list((item) => item.requiredObject()) ?? [];
  return entries.map((entry) => ({
    type: entry.string("Type") ?? "",
    attrs: Object.fromEntries(entry.stringMap("Attrs") ?? []),
  }));
}

function references(text: string): CacheSpec[] {
  return text === "" ? [] : text.split(",").map((ref) => ({ type: "registry", attrs: { ref } }));
}

/** Returns a cache without the other fields of its message. */
export function cacheSpecOf({ type, attrs }: CacheSpec): CacheSpec {
  return { type, attrs };
}

/**
 * Returns the caches of a request and those of a front end's attributes, which repeat them, each once.
 *
 * @throws {VarveError} `invalid-argument` with BuildKit's text for a list that cannot be read.
 */
export function requestedImports(own: readonly CacheSpec[], attributes: Attributes): CacheSpec[] {
  const all = [...own, ...cacheImportsOf(attributes)];
  return [...new Map(all.map((spec) => [cacheIdentity(spec), spec])).values()];
}

function cacheIdentity({ type, attrs }: CacheSpec): string {
  return JSON.stringify([type, Object.entries(attrs).sort(([a], [b]) => compareBytes(a, b))]);
}
