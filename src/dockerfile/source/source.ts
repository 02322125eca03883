import { shownText } from "./shown-text.ts";

/** A position in a text file. Lines and columns start at 1. Columns are in UTF-16 code units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** From the first character to just after the last one. */
export interface SourceRange {
  readonly start: Position;
  readonly end: Position;
}

/** A text file with its lines. */
export interface SourceFile {
  /** Name of the file in messages, such as `Dockerfile`. */
  readonly name: string;
  readonly text: string;
  /** Without line ends. */
  readonly lines: readonly string[];
}

/** Carriage returns at the end of a line. The lookbehind keeps the time linear in the length of the line. */
export const TRAILING_RETURNS: RegExp = /(?<!\r)\r+$/;

/** Splits a text into lines. Removes a byte order mark. */
export function sourceFile(name: string, text: string): SourceFile {
  const content = text.startsWith("\ufeff") ? text.slice(1) : text;
  return { name, text: content, lines: content.split("\n").map((line) => line.replace(TRAILING_RETURNS, "")) };
}

/** Returns the range of whole lines. */
export function lineRange(file: SourceFile, first: number, last: number = first): SourceRange {
  const end = (file.lines[last - 1] ?? "").length + 1;
  return { start: { line: first, column: 1 }, end: { line: last, column: end } };
}

const WIDTH = 160;
/** Maximum number of lines that a snippet shows of a range. */
const LONGEST = 12;
const FRAME = "-".repeat(20);

/** Returns carets under a part of a line. Undefined if the part is the whole line, which is marked anyway. */
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
 * Returns the lines of a range with their numbers, a mark, and one or two lines around them, in the format of BuildKit's clients.
 * If the range is a part of a line, it is underlined with carets.
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
