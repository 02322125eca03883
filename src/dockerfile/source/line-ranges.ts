import type { SourceRange } from "./source.ts";

/** A range as protobuf's `pb.Range` has it. Lines start at 1; BuildKit's Dockerfile parser leaves `character` at 0. */
export interface LineRange {
  readonly start: LinePosition;
  readonly end: LinePosition;
}

export interface LinePosition {
  readonly line: number;
  readonly character: number;
}

/** Maximum number of lines that have a range of their own. The last range contains the lines after them. */
const MAX_RANGES = 4096;

/**
 * Converts a range of a Dockerfile to BuildKit's form: one range for each line, without columns.
 *
 * @see moby/buildkit frontend/dockerfile/parser/errors.go
 */
export function lineRanges({ start, end }: SourceRange): LineRange[] {
  const count = Math.max(1, end.line - start.line + 1);
  return Array.from({ length: Math.min(count, MAX_RANGES) }, (_, index) => {
    const line = start.line + index;
    const isLast = index === MAX_RANGES - 1;
    return { start: position(line), end: position(isLast ? Math.max(line, end.line) : line) };
  });
}

function position(line: number): LinePosition {
  return { line, character: 0 };
}
