import { badPattern } from "./bad-pattern.ts";

/** A set of characters, as ranges of code points, both ends included. */
interface CharSet {
  readonly negated: boolean;
  readonly ranges: readonly (readonly [low: number, high: number])[];
}

type Term =
  /** One character of the set, or any number of them. */
  | { readonly kind: "set"; readonly set: CharSet; readonly repeat: boolean }
  /** `(.*` + slash + `)?`: nothing, or any whole directories. */
  | { readonly kind: "directories" }
  /** `^` anywhere but at the start. */
  | { readonly kind: "start" };

export interface Expression {
  matches(path: string): boolean;
  /** True if the path or a parent of it matches; in one pass. */
  matchesParents(path: string): boolean;
}

const SLASH = 47;
const NEWLINE = 10;
const SPECIAL = new Set(".+()|{}$");
const DIRECTORIES = "(.*/)?";

/** The regular expression, in RE2 syntax, that moby's pattern matcher makes of a cleaned pattern: its quirks included. */
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

function contains({ negated, ranges }: CharSet, code: number): boolean {
  return ranges.some(([low, high]) => low <= code && code <= high) !== negated;
}

/** The states reached after some characters: each once, in order of discovery. */
class States {
  readonly list: number[] = [];
  readonly #seen: Uint8Array;

  constructor(size: number) {
    this.#seen = new Uint8Array(size);
  }

  has(state: number): boolean {
    return this.#seen[state] === 1;
  }

  add(state: number): void {
    if (this.#seen[state] === 1) return;
    this.#seen[state] = 1;
    this.list.push(state);
  }

  clear(): void {
    for (const state of this.list) this.#seen[state] = 0;
    this.list.length = 0;
  }
}

/**
 * Follows all states at once, so that a pattern of many stars costs its length times the text's and no more. State 2i is
 * "before term i", 2i+1 is "inside the directories of term i".
 */
class StateMachine implements Expression {
  readonly #terms: readonly Term[];

  constructor(terms: readonly Term[]) {
    this.#terms = terms;
  }

  matches(path: string): boolean {
    return this.#run(path, false);
  }

  matchesParents(path: string): boolean {
    return this.#run(path, true);
  }

  #run(path: string, parents: boolean): boolean {
    const final = 2 * this.#terms.length;
    let current = new States(final + 1);
    let next = new States(final + 1);
    this.#enter(current, 0, true);
    let started = false;
    for (const rune of path) {
      const code = rune.codePointAt(0) ?? 0;
      if (parents && started && code === SLASH && current.has(final)) return true;
      started = true;
      for (const state of current.list) this.#step(next, state, code);
      current.clear();
      [current, next] = [next, current];
      if (current.list.length === 0) return false;
    }
    return current.has(final);
  }

  #enter(states: States, index: number, atStart: boolean): void {
    for (let i = index; !states.has(2 * i); i++) {
      const term = this.#terms[i];
      if (term?.kind === "start" && !atStart) return;
      if (term?.kind !== "start") states.add(2 * i);
      if (term === undefined || (term.kind === "set" && !term.repeat)) return;
    }
  }

  #step(next: States, state: number, code: number): void {
    const index = state >> 1;
    const term = this.#terms[index];
    if (term?.kind === "set") {
      if (contains(term.set, code)) this.#enter(next, term.repeat ? index : index + 1, false);
    } else if (term?.kind === "directories") {
      if (code === SLASH) this.#enter(next, index + 1, false);
      if (code !== NEWLINE) next.add(2 * index + 1);
    }
  }
}

/** Throws `invalid-build` if RE2 would refuse the expression. */
export function compileExpression(pattern: string): Expression {
  return new StateMachine(new Reader(expressionText(pattern), pattern).terms());
}
