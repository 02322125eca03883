import { expand, NO_VARIABLES } from "../expand/expand.ts";
import { fault } from "../source/fault.ts";

/** The start of a heredoc: `<<EOF`, `<<-EOF`, `<<"EOF"` or `3<<EOF`. */
export interface HeredocHead {
  readonly name: string;
  /** The name is not quoted, so that variables in the body are expanded if the instruction does that. */
  readonly expand: boolean;
  /** `<<-`: leading tabs are removed from the body. */
  readonly chomp: boolean;
}

export interface Heredoc extends HeredocHead {
  readonly content: string;
}

/** The name begins with a non-blank character. Otherwise two parts could match blanks, and matching would be slow. */
const HEAD = /^\d*<<(-?)[\t\n\f\r ]*((?:[^<\t\n\f\r ][^<]*)?)$/;
const OPTIONS = { escape: "\\", keepUnset: true } as const;

function quotes(text: string): number {
  return text.replaceAll(/[^'"]/g, "").length;
}

/** Parses a word as the start of a heredoc. Returns undefined for any other word. */
function parseHeredocHead(word: string): HeredocHead | undefined {
  const match = HEAD.exec(word);
  const rest = match?.[2] ?? "";
  if (rest === "") return undefined;
  const plain = expand(rest, NO_VARIABLES, OPTIONS).words;
  const [name] = plain;
  if (name === undefined || plain.length !== 1) return undefined;
  const raw = expand(rest, NO_VARIABLES, { ...OPTIONS, rawQuotes: true }).words;
  if (raw.length !== 1) throw fault(`internal lexing of heredoc produced inconsistent results: ${rest}`);
  return { name, chomp: match?.[1] === "-", expand: quotes(name) === quotes(raw[0] ?? "") };
}

/** Parses a word as the start of a heredoc. Returns undefined for any other word, and for a malformed heredoc. */
export function tryHeredocHead(word: string): HeredocHead | undefined {
  try {
    return parseHeredocHead(word);
  } catch {
    return undefined;
  }
}

function wordsOf(line: string): readonly string[] {
  try {
    return expand(line, NO_VARIABLES, { ...OPTIONS, rawQuotes: true, rawEscapes: true }).words;
  } catch {
    return [];
  }
}

/** Returns the starts of all heredocs on the line of an instruction, in order. */
export function heredocHeads(line: string): HeredocHead[] {
  return wordsOf(line)
    .map(parseHeredocHead)
    .filter((head) => head !== undefined);
}

/** Removes the leading tabs of all lines. */
export function chompHeredoc(content: string): string {
  return content.replaceAll(/^\t+/gm, "");
}
