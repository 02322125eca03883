import { trimSpace } from "../../pattern/index.ts";
import { fault } from "../source/fault.ts";

/** Parses the strings of a JSON array. Undefined if the text is not an array. Throws `invalid-build` for other elements. */
export function parseJsonForm(text: string): string[] | undefined {
  const trimmed = trimSpace(text);
  if (!trimmed.startsWith("[")) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(trimmed);
  } catch {
    return undefined;
  }
  if (!Array.isArray(value)) return undefined;
  return value.map((item: unknown) => {
    if (typeof item === "string") return item.toWellFormed();
    throw fault("when using JSON array syntax, arrays must be comprised of strings only");
  });
}

const ARRAY_LIKE = /^\S+\s+(?:--\S+\s+)*\[(?:\s*["']|.*\]\s*$)/s;

/**
 * Returns whether the arguments of an instruction look like a JSON array. Docker parses a malformed array as words, so that its
 * error does not mention quotes and commas; a hint then does.
 */
export function looksLikeJson(code: string): boolean {
  return ARRAY_LIKE.test(code);
}

/** Hint for a malformed JSON array. */
export const JSON_HINT = 'write a JSON array with double quotes around each string and commas between them: ["a", "b"]';
