import { fault } from "../source/fault.ts";

/** Returns the text and the end of a quoted field whose opening quote is at `start`. */
function quotedField(line: string, start: number): [field: string, end: number] {
  let field = "";
  for (let at = start + 1; ;) {
    const quote = line.indexOf('"', at);
    if (quote < 0) throw fault('extraneous or missing " in quoted-field', line);
    field += line.slice(at, quote);
    if (line[quote + 1] !== '"') return [field, quote + 1];
    field += '"';
    at = quote + 2;
  }
}

/**
 * Splits a line of CSV into its fields (RFC 4180). A field that contains commas or quotes is quoted, and its quotes are doubled.
 * @throws {VarveError} `invalid-build` for an empty line and for misplaced quotes
 */
export function csvFields(line: string): string[] {
  const text = line.replace(/\r?\n$/, "");
  if (text === "") throw fault("it is empty");
  const fields: string[] = [];
  for (let at = 0; ; at++) {
    if (text[at] === '"') {
      const [field, end] = quotedField(text, at);
      if (end < text.length && text[end] !== ",") throw fault('extraneous or missing " in quoted-field', text);
      fields.push(field);
      at = end;
    } else {
      const comma = text.indexOf(",", at);
      const field = text.slice(at, comma < 0 ? text.length : comma);
      if (field.includes('"')) throw fault('bare " in non-quoted-field', text);
      fields.push(field);
      at = comma < 0 ? text.length : comma;
    }
    if (at >= text.length) return fields;
  }
}
