import { expand, NO_VARIABLES } from "../expand/expand.ts";
import { fault } from "../source/fault.ts";

/** The head of a heredoc: `<<EOF`, `<<-EOF`, `<<"EOF"`, `3<<EOF`. */
export interface HeredocHead {
  readonly name: string;
  /** The name is not quoted: variables in the body are expanded where the instruction does so. */
  readonly expand: boolean;
  /** `<<-`: leading tabs are removed. */
  readonly chomp: boolean;
}

export interface Heredoc extends HeredocHead {
  readonly content: string;
}

/** The name begins at the first character that is no blank, so that blanks are not tried in two places. */
const HEAD = /^\d*<<(-?)[\t\n\f\r ]*((?:[^<\t\n\f\r ][^<]*)?)$/;
const OPTIONS = { escape: "\\", keepUnset: true } as const;

function quotes(text: string): number {
  return text.replaceAll(/[^'"]/g, "").length;
}

/** Reads one word as the head of a heredoc; undefined if it is none. */
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

/** As `parseHeredocHead`, and undefined for a malformed one. */
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

/** The heads of all heredocs on an instruction's line, in order. */
export function heredocHeads(line: string): HeredocHead[] {
  return wordsOf(line)
    .map(parseHeredocHead)
    .filter((head) => head !== undefined);
}

/** The body without the tabs its lines begin with. */
export function chompHeredoc(content: string): string {
  return content.replaceAll(/^\t+/gm, "");
}
