import { shownText } from "./shown-text.ts";

/** A place in a text file. Lines and columns count from 1; columns in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** From the first character to just after the last one. */
export interface SourceRange {
  readonly start: Position;
  readonly end: Position;
}

/** A file with its lines, for messages that show them. */
export interface SourceFile {
  /** What the user calls it: `Dockerfile`. */
  readonly name: string;
  readonly text: string;
  /** Without line ends. */
  readonly lines: readonly string[];
}

/** The look behind keeps a row of them that ends elsewhere from being tried from each of its characters. */
export const TRAILING_RETURNS: RegExp = /(?<!\r)\r+$/;

export function sourceFile(name: string, text: string): SourceFile {
  const content = text.startsWith("\ufeff") ? text.slice(1) : text;
  return { name, text: content, lines: content.split("\n").map((line) => line.replace(TRAILING_RETURNS, "")) };
}

/** The whole of the given lines. */
export function lineRange(file: SourceFile, first: number, last: number = first): SourceRange {
  const end = (file.lines[last - 1] ?? "").length + 1;
  return { start: { line: first, column: 1 }, end: { line: last, column: end } };
}

const WIDTH = 160;
/** Lines shown of a range: the rest of a long heredoc says nothing more. */
const LONGEST = 12;
const FRAME = "-".repeat(20);

/** Carets under a part of a line; undefined if they would say no more than the line's mark does. */
function underline(line: string, range: SourceRange): string | undefined {
  const from = range.start.column - 1;
  const shown = Math.min(line.length, WIDTH);
  const to = Math.min(range.end.line === range.start.line ? range.end.column - 1 : line.length, shown);
  const isPart = line.slice(0, from).trim() !== "" || line.slice(to, shown).trim() !== "";
  if (!isPart || from >= shown) return undefined;
  return line.slice(0, from).replaceAll(/[^\t]/g, " ") + "^".repeat(Math.max(1, to - from));
}

function cut(line: string): string {
  return line.length > WIDTH ? `${line.slice(0, WIDTH)}…` : line;
}

/**
 * The lines of a range, marked, with their numbers and what stands around them: the form in which BuildKit's clients show
 * where a build failed. A part of a line has carets under it.
 */
export function snippet(file: SourceFile, range: SourceRange): string {
  const { line: start } = range.start;
  const last = Math.max(start, Math.min(range.end.line, start + LONGEST - 1));
  const around = range.end.line > start ? 1 : 2;
  const rows: string[] = [];
  for (let number = Math.max(1, start - around); number <= last + around; number++) {
    const line = file.lines[number - 1];
    if (line === undefined || (line === "" && number === file.lines.length)) break;
    const isMarked = number >= start && number <= range.end.line;
    const shown = shownText(line);
    rows.push(` ${String(number).padStart(3)} | ${isMarked ? ">>>" : "   "} ${cut(shown)}`.trimEnd());
    const carets = number === start && shown === line ? underline(line, range) : undefined;
    if (carets !== undefined) rows.push(`     |     ${carets}`);
  }
  return [`${file.name}:${start}`, FRAME, ...rows, FRAME].join("\n");
}
