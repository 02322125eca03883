import { trimSpace } from "../../pattern/index.ts";
import { fault } from "../source/fault.ts";

/** The strings of a JSON array, or undefined if the text is not one; throws if an element is no string. */
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
 * True if the arguments of an instruction, given as it is written, were meant as a JSON array. One that is broken is read as
 * words, and what is wrong with those says nothing of quotes and commas.
 */
export function looksLikeJson(code: string): boolean {
  return ARRAY_LIKE.test(code);
}

/** What to do about a broken JSON array. */
export const JSON_HINT = 'write a JSON array with double quotes around each string and commas between them: ["a", "b"]';
