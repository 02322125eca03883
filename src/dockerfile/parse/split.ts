import { goQuote } from "../../core/index.ts";
import { isSpace, trimSpace } from "../../pattern/index.ts";
import type { EscapeToken } from "../expand/expand.ts";
import { fault } from "../source/fault.ts";

const BLANKS = /[\t\v\f\r ]+/;

export interface SplitLine {
  readonly keyword: string;
  /** Flags such as `--name` and `--name=value`, without quotes and escapes. */
  readonly flags: readonly string[];
  readonly rest: string;
}

/** Splits at the first run of blanks. */
function cutBlanks(text: string): [head: string, tail: string | undefined] {
  const match = BLANKS.exec(text);
  return match === null ? [text, undefined] : [text.slice(0, match.index), text.slice(match.index + match[0].length)];
}

/** Splits at every run of blanks, like Go's `regexp.Split`: a blank at either end gives an empty text. */
export function splitBlanks(text: string): string[] {
  return text.split(BLANKS);
}

/** Reads the flag that begins at `start`. Returns its text and its end. */
function readFlag(line: string, start: number, escape: EscapeToken): [flag: string, end: number] {
  let text = "";
  let quote: string | undefined;
  let at = start;
  for (; at < line.length; at++) {
    const char = line.charAt(at);
    if (quote === undefined && isSpace(char)) break;
    if (char === quote) quote = undefined;
    else if (quote === undefined && (char === "'" || char === '"')) quote = char;
    else if (char !== escape) text += char;
    else if (at + 1 < line.length) text += line.charAt(++at);
  }
  return [text, at];
}

/** Reads the flags before the arguments of an instruction. `--` ends them. */
function takeFlags(line: string, escape: EscapeToken): [flags: string[], rest: string] {
  const flags: string[] = [];
  for (let at = 0; ;) {
    while (at < line.length && isSpace(line.charAt(at))) at++;
    if (!line.startsWith("--", at)) return [flags, line.slice(at)];
    const [flag, end] = readFlag(line, at, escape);
    at = end;
    if (flag === "--") return [flags, line.slice(at)];
    if (flag !== "") flags.push(flag);
  }
}

/** Splits a logical line into its keyword, its flags and the rest. */
export function splitLine(line: string, escape: EscapeToken): SplitLine {
  const [keyword, tail] = cutBlanks(trimSpace(line));
  const [flags, rest] = takeFlags(tail ?? "", escape);
  return { keyword, flags, rest: trimSpace(rest) };
}

/** Splits at white space outside quotes. Keeps quotes and escapes. */
export function splitWords(text: string, escape: EscapeToken): string[] {
  const words: string[] = [];
  const runes = Array.from(text);
  let word: string | undefined;
  let quote: string | undefined;
  for (let at = 0; at < runes.length; at++) {
    const rune = runes[at] ?? "";
    if (quote === undefined && isSpace(rune)) {
      if (word !== undefined && word !== "") words.push(word);
      word = undefined;
      continue;
    }
    word ??= "";
    if (rune === quote) quote = undefined;
    else if (quote === undefined && (rune === "'" || rune === '"')) quote = rune;
    else if (rune === escape && quote !== "'") {
      if (at + 1 >= runes.length) break;
      word += rune + (runes[++at] ?? "");
      continue;
    }
    word += rune;
  }
  if (word !== undefined && word !== "") words.push(word);
  return words;
}

export interface Pair {
  readonly key: string;
  readonly value: string;
  readonly legacy: boolean;
}

/** Splits the arguments of ENV and LABEL into pairs. They are `key=value …`, or the legacy form `key the rest`. */
export function splitPairs(text: string, command: string, escape: EscapeToken): Pair[] {
  const words = splitWords(text, escape);
  const [first] = words;
  if (first === undefined) return [];
  if (first.includes("=")) return words.map((word) => pairOf(word));
  const [key, value] = cutBlanks(text);
  if (value === undefined) throw fault(`${command} must have two arguments`);
  return [{ key, value, legacy: true }];
}

function pairOf(word: string): Pair {
  const equals = word.indexOf("=");
  if (equals < 0) throw fault(`Syntax error - can't find = in ${goQuote(word)}. Must be of the form: name=value`);
  return { key: word.slice(0, equals), value: word.slice(equals + 1), legacy: false };
}
