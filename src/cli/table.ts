import { displayWidth } from "./columns.ts";
import { printableLine, withoutColours } from "./printable.ts";

/** Values by column title, in order. They may be untrusted: `table` removes control characters. */
export type Row = Readonly<Record<string, string>>;

/** Formats rows as aligned columns with titles; empty if there are no rows. */
export function table(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return "";
  const titles = Object.keys(first);
  const cells = rows.map((row) => titles.map((title) => withoutColours(printableLine(row[title] ?? ""))));
  const lines = [titles, ...cells];
  const widths = titles.map((_, column) => Math.max(...lines.map((line) => displayWidth(line[column] ?? ""))));
  const pad = (cell: string, column: number): string =>
    column === titles.length - 1 ? cell : cell + " ".repeat((widths[column] ?? 0) - displayWidth(cell) + 2);
  return lines.map((line) => `${line.map(pad).join("")}\n`).join("");
}
