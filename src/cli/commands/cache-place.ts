import type { CacheSpec } from "../../engine/index.ts";
import { usageError } from "../flags.ts";
import { cacheSpecOf } from "./build-options.ts";

const TYPES: ReadonlySet<string> = new Set(["registry", "local", "s3", "azblob", "gha"]);

/**
 * Parses the location of a cache: attributes of `--cache-from` or `--cache-to`, a reference, or the path of a directory, which
 * begins with `/`, `./` or `../`. `key` is the attribute that holds the directory.
 */
export function cachePlaceOf(text: string, key: "src" | "dest"): CacheSpec {
  const spec = /^(?:\/|\.{1,2}(?:\/|$))/.test(text) ? { type: "local", attrs: { [key]: text } } : cacheSpecOf(text);
  if (!TYPES.has(spec.type))
    throw usageError(`Cannot use cache ${JSON.stringify(text)}: type must be one of ${[...TYPES].join(", ")}`);
  return spec;
}
