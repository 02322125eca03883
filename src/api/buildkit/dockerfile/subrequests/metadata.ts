import { type OrderedJson, goJsonIndented } from "../../../../core/index.ts";
import type { SourceRange } from "../../../../dockerfile/index.ts";
import { lineRanges } from "../../../../dockerfile/index.ts";

/** The metadata of a result, by key. */
export type SubrequestMetadata = ReadonlyMap<string, Uint8Array>;

/** Returns the metadata of an answer: as JSON, as text for people, and the version of the request. */
export function metadataOf(
  json: OrderedJson,
  version: string,
  { text, ...more }: { readonly text?: string | undefined; readonly statuscode?: string | undefined } = {},
): SubrequestMetadata {
  const entries: readonly (readonly [string, string | undefined])[] = [
    ["result.json", goJsonIndented(json)],
    ["result.txt", text],
    ["result.statuscode", more.statuscode],
    ["version", version],
  ];
  return new Map(entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, Buffer.from(value)] as const])));
}

/** Converts a range to the JSON of `pb.Location`, without fields that are 0. */
export function locationJson(range: SourceRange): OrderedJson {
  return {
    ranges: lineRanges(range).map(({ start, end }) => ({ start: { line: start.line }, end: { line: end.line } })),
  };
}

export function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}

/** Returns the text unless it is empty. */
export function unlessEmpty(text: string | undefined): string | undefined {
  return text === "" ? undefined : text;
}

/** Returns a list unless it is empty. */
export function unlessNone<T>(items: readonly T[]): readonly T[] | undefined {
  return items.length === 0 ? undefined : items;
}

/** Aligns columns as Go's `tabwriter` does: cells have `padding` blanks after the widest one; the last column is as it is. */
export function columns(rows: readonly (readonly string[])[], padding: number): string {
  const width = (text: string): number => Array.from(text).length;
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => width(row[column] ?? ""))) + padding);
  const pad = (cell: string, column: number, row: readonly string[]): string =>
    column === row.length - 1 ? cell : cell + " ".repeat((widths[column] ?? 0) - width(cell));
  return rows.map((row) => `${row.map((cell, column) => pad(cell, column, row)).join("")}\n`).join("");
}
