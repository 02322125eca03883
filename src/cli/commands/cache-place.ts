import type { CacheSpec } from "../../engine/index.ts";
import { usageError } from "../flags.ts";
import { cacheSpecOf } from "./build-options.ts";

const TYPES: ReadonlySet<string> = new Set(["registry", "local"]);

/**
 * Where a cache is: attributes as `--cache-from` or `--cache-to` takes them, a bare reference, or a path that begins as one
 * does (`/`, `./`, `../`), which is a directory. `key` is what a directory's attribute is called.
 */
export function cachePlaceOf(text: string, key: "src" | "dest"): CacheSpec {
  const spec = /^(?:\/|\.{1,2}(?:\/|$))/.test(text) ? { type: "local", attrs: { [key]: text } } : cacheSpecOf(text);
  if (!TYPES.has(spec.type))
    throw usageError(`Cannot use cache ${JSON.stringify(text)}: its type is one of ${[...TYPES].join(", ")}`);
  return spec;
}
