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

export function sourceFile(name: string, text: string): SourceFile {
  const content = text.startsWith("\ufeff") ? text.slice(1) : text;
  return { name, text: content, lines: content.split("\n").map((line) => line.replace(/\r+$/, "")) };
}

/** The whole of the given lines. */
export function lineRange(file: SourceFile, first: number, last: number = first): SourceRange {
  const end = (file.lines[last - 1] ?? "").length + 1;
  return { start: { line: first, column: 1 }, end: { line: last, column: end } };
}

const CONTEXT = 2;
const WIDTH = 160;

function underline(line: string, range: SourceRange, number: number): string {
  const from = number === range.start.line ? range.start.column - 1 : line.length - line.trimStart().length;
  const to = number === range.end.line ? range.end.column - 1 : line.length;
  const shown = Math.min(line.length, WIDTH);
  const width = Math.max(1, Math.min(to, shown) - from);
  const indent = line.slice(0, Math.min(from, shown)).replaceAll(/[^\t]/g, " ");
  return indent + "^".repeat(width);
}

/** The lines of a range with their numbers and a caret line under the first, and two lines around them. */
export function snippet(file: SourceFile, range: SourceRange): string {
  const first = Math.max(1, range.start.line - CONTEXT);
  const last = Math.min(
    file.lines.length,
    Math.max(range.start.line, Math.min(range.end.line, range.start.line + 4)) + CONTEXT,
  );
  const gutter = String(last).length;
  const rows: string[] = [];
  for (let number = first; number <= last; number++) {
    const line = file.lines[number - 1] ?? "";
    rows.push(
      `${String(number).padStart(gutter)} | ${line.length > WIDTH ? `${line.slice(0, WIDTH)}…` : line}`.trimEnd(),
    );
    if (number === range.start.line) rows.push(`${" ".repeat(gutter)} | ${underline(line, range, number)}`);
  }
  return `${file.name}:${range.start.line}\n${rows.join("\n")}`;
}
