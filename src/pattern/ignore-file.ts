import { Limits, VarveError } from "../core/index.ts";
import { cleanPath } from "./path.ts";
import { trimSpace } from "./space.ts";

function normalise(path: string): string {
  if (path === "") return path;
  const clean = cleanPath(path);
  return clean.length > 1 && clean.startsWith("/") ? clean.slice(1) : clean;
}

function readLine(line: string): string | undefined {
  if (line.startsWith("#")) return undefined;
  const pattern = trimSpace(line);
  if (pattern === "") return undefined;
  return pattern.startsWith("!") ? `!${normalise(trimSpace(pattern.slice(1)))}` : normalise(pattern);
}

/**
 * The patterns of an ignore file, in order, for a `PatternMatcher`. As `github.com/moby/patternmatcher/ignorefile`: a byte
 * order mark is dropped, lines that begin with `#` are comments, white space at the ends is dropped, paths are cleaned, a
 * leading slash is dropped. Throws `limit-exceeded` for more than `Limits.ignoreFile` bytes.
 */
export function parseIgnoreFile(content: Uint8Array | string): string[] {
  const size = typeof content === "string" ? Buffer.byteLength(content) : content.byteLength;
  if (size > Limits.ignoreFile)
    throw new VarveError("limit-exceeded", `Cannot read ignore file: it is larger than ${Limits.ignoreFile} bytes`);
  const text = typeof content === "string" ? content : Buffer.from(content).toString("utf8");
  const lines = text.replace(/^\ufeff/, "").split("\n");
  return lines.map(readLine).filter((pattern) => pattern !== undefined);
}
