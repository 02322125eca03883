import { Limits, VarveError } from "../core/index.ts";
import { badPattern } from "./bad-pattern.ts";
import { StateMachine } from "./state-machine.ts";
import type { CharSet, Term } from "./term.ts";

export interface Expression {
  matches(path: string): boolean;
  /** True if the path or a parent of it matches; in one pass. */
  matchesParents(path: string): boolean;
}

const NEWLINE = 10;
const SPECIAL = new Set(".+()|{}$");
const DIRECTORIES = "(.*/)?";

/** The regular expression, in RE2 syntax, that moby's pattern matcher makes of a cleaned pattern: special cases included. */
export function expressionText(pattern: string): string {
  const runes = Array.from(pattern);
  let text = "";
  for (let i = 0; i < runes.length; i++) {
    const rune = runes[i] ?? "";
    if (rune === "*" && runes[i + 1] === "*") {
      i += runes[i + 2] === "/" ? 2 : 1;
      text += i + 1 >= runes.length ? ".*" : DIRECTORIES;
    } else if (rune === "*") text += "[^/]*";
    else if (rune === "?") text += "[^/]";
    else if (rune === "\\") text += `\\${runes[++i] ?? ""}`;
    else text += SPECIAL.has(rune) ? `\\${rune}` : rune;
  }
  return text;
}

const PERL: ReadonlyMap<string, CharSet["ranges"]> = new Map([
  ["d", [[48, 57]]],
  [
    "w",
    [
      [48, 57],
      [65, 90],
      [95, 95],
      [97, 122],
    ],
  ],
  [
    "s",
    [
      [9, 10],
      [12, 13],
      [32, 32],
    ],
  ],
] as [string, [number, number][]][]);
const CONTROL: ReadonlyMap<string, number> = new Map([
  ["a", 7],
  ["f", 12],
  ["t", 9],
  ["n", 10],
  ["r", 13],
  ["v", 11],
]);

/** Reads the RE2 text of one pattern: only what `expressionText` can produce is understood. */
class Reader {
  readonly #runes: readonly string[];
  readonly #pattern: string;
  #at = 0;

  constructor(text: string, pattern: string) {
    this.#runes = Array.from(text);
    this.#pattern = pattern;
  }

  terms(): Term[] {
    const terms: Term[] = [];
    while (this.#at < this.#runes.length) terms.push(this.#term());
    return terms;
  }

  #term(): Term {
    const rune = this.#take();
    if (rune === "(") {
      this.#at += DIRECTORIES.length - 1;
      return { kind: "directories" };
    }
    if (rune === "^") return { kind: "start" };
    const set = this.#set(rune);
    const repeat = this.#runes[this.#at] === "*";
    if (repeat) this.#at++;
    return { kind: "set", set, repeat };
  }

  #set(rune: string): CharSet {
    if (rune === "[") return this.#class();
    if (rune === ".") return { negated: true, ranges: [[NEWLINE, NEWLINE]] };
    if (rune === "\\") return this.#escape();
    return single(rune);
  }

  #escape(): CharSet {
    const rune = this.#take();
    const perl = PERL.get(rune.toLowerCase());
    if (perl !== undefined) return { negated: rune !== rune.toLowerCase(), ranges: perl };
    const control = CONTROL.get(rune);
    if (control !== undefined) return { negated: false, ranges: [[control, control]] };
    if (!/^[\0-\x7f]$/.test(rune) || /[A-Za-z0-9]/.test(rune))
      throw badPattern(this.#pattern, `\\${rune} is not an escape`);
    return single(rune);
  }

  #class(): CharSet {
    const negated = this.#runes[this.#at] === "^";
    if (negated) this.#at++;
    const ranges: (readonly [number, number])[] = [];
    for (let first = true; first || this.#runes[this.#at] !== "]"; first = false) this.#range(ranges);
    this.#at++;
    return { negated, ranges };
  }

  #range(ranges: (readonly [number, number])[]): void {
    const low = this.#classItem();
    const isRange = this.#runes[this.#at] === "-" && this.#runes[this.#at + 1] !== "]";
    if (!isRange) return void ranges.push(...low);
    this.#at++;
    const from = low[0]?.[0] ?? 0;
    const to = this.#classItem()[0]?.[0] ?? 0;
    if (low.length !== 1 || from > to) throw badPattern(this.#pattern, "a character range is out of order");
    ranges.push([from, to]);
  }

  #classItem(): CharSet["ranges"] {
    const rune = this.#take();
    if (rune !== "\\") return single(rune).ranges;
    const set = this.#escape();
    return set.negated ? complement(set.ranges) : set.ranges;
  }

  #take(): string {
    const rune = this.#runes[this.#at++];
    if (rune === undefined) throw badPattern(this.#pattern, "it ends too early");
    return rune;
  }
}

function single(rune: string): CharSet {
  const code = rune.codePointAt(0) ?? 0;
  return { negated: false, ranges: [[code, code]] };
}

function complement(ranges: CharSet["ranges"]): CharSet["ranges"] {
  const gaps: [number, number][] = [];
  let from = 0;
  for (const [low, high] of ranges) {
    if (low > from) gaps.push([from, low - 1]);
    from = high + 1;
  }
  gaps.push([from, 0x10ffff]);
  return gaps;
}

/** Throws `invalid-build` if RE2 would refuse the expression, or if the pattern is longer than any path. */
export function compileExpression(pattern: string): Expression {
  if (pattern.length > Limits.path)
    throw new VarveError("limit-exceeded", `Cannot read a pattern: it is longer than ${Limits.path} characters`);
  return new StateMachine(new Reader(expressionText(pattern), pattern).terms());
}
