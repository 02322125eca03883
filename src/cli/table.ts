/** Column titles and values, in order. */
export type Row = Readonly<Record<string, string>>;

/** Aligned columns under their titles; empty without rows. */
export function table(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return "";
  const titles = Object.keys(first);
  const widths = titles.map((title) => Math.max(title.length, ...rows.map((row) => (row[title] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, index) => (index === cells.length - 1 ? cell : cell.padEnd((widths[index] ?? 0) + 2))).join("");
  return `${[titles, ...rows.map((row) => titles.map((title) => row[title] ?? ""))].map(line).join("\n")}\n`;
}
