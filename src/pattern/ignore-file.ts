import { Limits, VarveError } from "../core/index.ts";
import { cleanPath } from "./path.ts";
import { trimSpace } from "./space.ts";

function normalise(path: string): string {
  if (path === "") return path;
  const clean = cleanPath(path);
  return clean.length > 1 && clean.startsWith("/") ? clean.slice(1) : clean;
}

/** A pattern and the line of the file, counted from 1, on which it stands. */
export interface IgnoreLine {
  readonly pattern: string;
  readonly line: number;
}

function readLine(text: string, index: number): IgnoreLine | undefined {
  if (text.startsWith("#")) return undefined;
  const pattern = trimSpace(text);
  if (pattern === "") return undefined;
  const normal = pattern.startsWith("!") ? `!${normalise(trimSpace(pattern.slice(1)))}` : normalise(pattern);
  return { pattern: normal, line: index + 1 };
}

/**
 * The patterns of an ignore file, in order, for a `PatternMatcher`. As `github.com/moby/patternmatcher/ignorefile`: a byte
 * order mark is dropped, lines that begin with `#` are comments, white space at the ends is dropped, paths are cleaned, a
 * leading slash is dropped. Throws `limit-exceeded` for more than `Limits.ignoreFile` bytes.
 */
export function parseIgnoreLines(content: Uint8Array | string): IgnoreLine[] {
  const size = typeof content === "string" ? Buffer.byteLength(content) : content.byteLength;
  if (size > Limits.ignoreFile)
    throw new VarveError("limit-exceeded", `Cannot read ignore file: it is larger than ${Limits.ignoreFile} bytes`);
  const text = typeof content === "string" ? content : Buffer.from(content).toString("utf8");
  const lines = text.replace(/^\ufeff/, "").split("\n");
  return lines.map(readLine).filter((found) => found !== undefined);
}

/** The patterns alone, as `parseIgnoreLines` reads them. */
export function parseIgnoreFile(content: Uint8Array | string): string[] {
  return parseIgnoreLines(content).map(({ pattern }) => pattern);
}
