import { VarveError, goQuote, parseGoBool, parseJson } from "../../core/index.ts";
import type { Op } from "./op.ts";

/** A `local://` source: a directory of the client, and which of its files are needed. */
export interface LocalSource {
  readonly name: string;
  /** Patterns of an ignore file. Absent: no file is excluded. */
  readonly excludePatterns?: readonly string[] | undefined;
  /** Absent: all files are included. */
  readonly includePatterns?: readonly string[] | undefined;
  /** Paths whose symbolic links are followed; the links and their targets are included. */
  readonly followPaths?: readonly string[] | undefined;
  /** The session whose client has the directory. Absent: any session of the build. */
  readonly sessionId?: string | undefined;
  /** With the name, identifies the directory in later builds of the same client, so that only changes are transferred. */
  readonly sharedKeyHint?: string | undefined;
  /** `none`: every file is transferred, even if an earlier copy seems to be the same. */
  readonly differ?: "metadata" | "none" | undefined;
  /** True: only the list of entries is transferred, and the entries that match `metadataExceptions`. */
  readonly metadataOnly?: boolean | undefined;
  readonly metadataExceptions?: readonly string[] | undefined;
}

const SCHEME = "local://";

/**
 * Returns the parsed attributes of a `local://` source, or undefined for any other op.
 *
 * @throws {VarveError} `invalid-build` for an attribute that is not a JSON array of strings or not a Go bool.
 */
export function localSourceOf(op: Op): LocalSource | undefined {
  if (op.kind !== "source" || !op.identifier.startsWith(SCHEME)) return undefined;
  const { attrs } = op;
  return {
    name: op.identifier.slice(SCHEME.length),
    excludePatterns: patterns(attrs, "local.excludepatterns"),
    includePatterns: patterns(attrs, "local.includepattern"),
    followPaths: patterns(attrs, "local.followpaths"),
    sessionId: nonEmpty(attrs.get("local.session")),
    sharedKeyHint: nonEmpty(attrs.get("local.sharedkeyhint")),
    differ: attrs.get("local.differ") === "none" ? "none" : undefined,
    metadataOnly: flag(attrs, "local.metadatatransfer"),
    metadataExceptions: patterns(attrs, "local.metadatatransferexclude"),
  };
}

function flag(attrs: ReadonlyMap<string, string>, key: string): boolean | undefined {
  const text = attrs.get(key);
  if (text === undefined) return undefined;
  const value = parseGoBool(text);
  if (value === undefined)
    throw new VarveError("invalid-build", `Cannot use a local source: invalid value for ${key} ${goQuote(text)}`);
  return value;
}

function patterns(attrs: ReadonlyMap<string, string>, key: string): readonly string[] | undefined {
  const text = attrs.get(key);
  if (text === undefined) return undefined;
  const error = (): VarveError =>
    new VarveError("invalid-build", `Cannot use a local source: ${key} is not a JSON array of strings`);
  return parseJson(text, key, { error }).list((item) => item.string() ?? item.fail("a string")) ?? [];
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}
