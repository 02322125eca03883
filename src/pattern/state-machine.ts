import { type Bits, bitsWhere, hasBit, setBit, word } from "./bits.ts";
import { type Term, contains } from "./term.ts";

const SLASH = 47;
const NEWLINE = 10;
/** Number of characters per pattern whose terms are cached. */
const REMEMBERED = 256;

/** Words of states processed since the process began, for tests of the growth of matching time. */
export const matchingWork: { words: number } = { words: 0 };

/**
 * Runs an expression. All states are followed at once, 32 in each operation, so that a pattern of many stars costs its length
 * times the text's, divided by 32. Bit i of `before` is "before term i", and one past the last term is the end; bit i of
 * `inside` is "inside the directories of term i".
 *
 * A state before a repeated set or before directories is also a state before the next term. Such states form blocks: the bits
 * of a row of skippable terms and the one after it. Whatever is set in a block sets all bits above it: a subtraction in each
 * block finds the lowest bit that is set (Navarro and Raffinot, "Flexible Pattern Matching in Strings", 4.3).
 */
export class StateMachine {
  readonly #terms: readonly Term[];
  readonly #accepting = new Map<number, Bits>();
  readonly #single: Bits;
  readonly #repeated: Bits;
  readonly #directories: Bits;
  readonly #blocks: { readonly first: Bits; readonly last: Bits; readonly all: Bits };
  readonly #initial: Bits;
  /** The states of the current match; matches do not overlap. */
  readonly #before: Bits;
  readonly #inside: Bits;

  constructor(terms: readonly Term[]) {
    this.#terms = terms;
    const bits = (holds: (term: Term | undefined, before: Term | undefined) => boolean): Bits =>
      bitsWhere(terms.length + 1, (at) => holds(terms[at], terms[at - 1]));
    this.#single = bits((term) => term?.kind === "set" && !term.repeat);
    this.#repeated = bits((term) => term?.kind === "set" && term.repeat);
    this.#directories = bits((term) => term?.kind === "directories");
    this.#blocks = {
      first: bits((term, before) => isSkippable(term) && !isSkippable(before)),
      last: bits((term, before) => !isSkippable(term) && isSkippable(before)),
      all: bits((term, before) => isSkippable(term) || isSkippable(before)),
    };
    this.#initial = this.#atStart();
    this.#before = this.#initial.slice();
    this.#inside = new Int32Array(this.#initial.length);
  }

  matches(path: string): boolean {
    return this.#run(path, false);
  }

  /** True if the path or a parent of it matches. */
  matchesParents(path: string): boolean {
    return this.#run(path, true);
  }

  #run(path: string, parents: boolean): boolean {
    const end = this.#terms.length;
    const [before, inside] = [this.#before, this.#inside];
    before.set(this.#initial);
    inside.fill(0);
    let started = false;
    for (const rune of path) {
      const code = rune.codePointAt(0) ?? 0;
      if (parents && started && code === SLASH && hasBit(before, end)) return true;
      started = true;
      if (!this.#step(before, inside, code)) return false;
    }
    return hasBit(before, end);
  }

  /** Processes one character in place; returns false if no state is left. */
  #step(before: Bits, inside: Bits, code: number): boolean {
    const accepting = this.#acceptingOf(code);
    const { first, last, all } = this.#blocks;
    let [alive, carry, borrow] = [0, 0, 0];
    matchingWork.words += before.length;
    for (let at = 0; at < before.length; at++) {
      const here = word(before, at);
      const passed = here & word(accepting, at);
      const within = (here & word(this.#directories, at)) | word(inside, at);
      const leaving = (passed & word(this.#single, at)) | (code === SLASH ? within : 0);
      const next = (leaving << 1) | carry | (passed & word(this.#repeated, at));
      carry = leaving >>> 31;
      const marked = next | word(last, at);
      const difference = (marked >>> 0) - (word(first, at) >>> 0) - borrow;
      borrow = difference < 0 ? 1 : 0;
      before[at] = next | (word(all, at) & (~(difference | 0) ^ marked));
      inside[at] = code === NEWLINE ? 0 : within;
      alive |= word(before, at) | word(inside, at);
    }
    return alive !== 0;
  }

  /** The terms that accept a character. */
  #acceptingOf(code: number): Bits {
    const known = this.#accepting.get(code);
    if (known !== undefined) return known;
    const bits = bitsWhere(this.#terms.length + 1, (at) => {
      const term = this.#terms[at];
      return term?.kind === "set" && contains(term.set, code);
    });
    if (this.#accepting.size >= REMEMBERED) this.#accepting.clear();
    this.#accepting.set(code, bits);
    return bits;
  }

  /** The only states in which `^` holds. */
  #atStart(): Bits {
    const bits = new Int32Array(this.#single.length);
    for (let at = 0; ; at++) {
      const term = this.#terms[at];
      if (term?.kind === "start") continue;
      setBit(bits, at);
      if (!isSkippable(term)) return bits;
    }
  }
}

/** Matches the empty text too. */
function isSkippable(term: Term | undefined): boolean {
  return term?.kind === "directories" || (term?.kind === "set" && term.repeat);
}
