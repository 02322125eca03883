import { VarveError } from "../../core/index.ts";
import type { Op } from "./op.ts";

/** A `local://` source: a directory of the client, and what of it is asked for. */
export interface LocalSource {
  readonly name: string;
  /** Ignore-file patterns. Absent: nothing is left out, or everything is taken. */
  readonly excludePatterns?: readonly string[] | undefined;
  readonly includePatterns?: readonly string[] | undefined;
  /** Paths that are followed through links. */
  readonly followPaths?: readonly string[] | undefined;
}

const SCHEME = "local://";

/**
 * Reads a `local://` source; undefined for any other op.
 *
 * @throws {VarveError} `invalid-build` for an attribute that is no JSON list of texts.
 */
export function localSourceOf(op: Op): LocalSource | undefined {
  if (op.kind !== "source" || !op.identifier.startsWith(SCHEME)) return undefined;
  const { attrs } = op;
  return {
    name: op.identifier.slice(SCHEME.length),
    excludePatterns: patterns(attrs, "local.excludepatterns"),
    includePatterns: patterns(attrs, "local.includepattern"),
    followPaths: patterns(attrs, "local.followpaths"),
  };
}

function patterns(attrs: ReadonlyMap<string, string>, key: string): readonly string[] | undefined {
  const text = attrs.get(key);
  if (text === undefined) return undefined;
  const value = parsed(text);
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return value;
  throw new VarveError("invalid-build", `Cannot use a local source: ${key} is no JSON list of texts`);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
