import { Script, createContext } from "node:vm";
import { VarveError } from "../core/index.ts";

/** Returns the value of a field; undefined if the object does not have it. `labels."a.b"` is the path `["labels", "a.b"]`. */
export type FieldLookup = (path: readonly string[]) => string | undefined;

/** Returns whether an object matches. */
export type Selectors = (field: FieldLookup) => boolean;

type Term = Selectors;

/** Maximum number of characters of one filter. */
export const MAX_FILTER = 4096;

/** Maximum number of filters in a list. */
export const MAX_FILTERS = 100;

/** Time in ms that matching one regular expression may take, because a pattern from outside can take exponential time. */
const MATCH_TIMEOUT = 100;

/** Maximum attempts to match an expression on a machine that gives this process no processor time. */
const MATCH_ATTEMPTS = 20;

/** Processor time in ms that slow matches may take together, over all filters and objects. */
const SLOW_TIME = 1000;

/** Matches that take more processor time, in ms, are slow. */
const SLOW = 2;

const SPACE = /\s*/y;
const FIELD = /[A-Za-z0-9_]+/y;
const OPERATOR = /[=!~]+/y;
const VALUE = /[^\s,=!~."/|][^\s,]*/y;
const QUOTED = /(["/|])((?:(?!\1)[^\\\n]|\\(?:[abfnrtv\\]|\1|[0-7]{3}|x[\da-f]{2}|u[\da-f]{4}|U[\da-f]{8}))*)\1/iy;
const ESCAPE = /\\(?:([0-7]{3})|[xuU]([\da-f]+)|(.))/gi;
const CONTROLS: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/**
 * Parses filters in containerd's syntax: `id==a,labels."x.y"~=^b`. An object matches a filter if it matches all of its terms, which are
 * separated by commas. It matches the list if it matches one filter, or if the list is empty. Regular expressions are JavaScript's.
 * Matching throws as `ExpressionMatcher.matches`.
 *
 * @param matcher limits the time of all lists that it is given for.
 * @throws {VarveError} `invalid-argument` for a malformed filter, with the place of the error as containerd shows it; for more than 100.
 * @see containerd pkg/filters
 */
export function parseSelectors(
  filters: readonly string[],
  matcher: ExpressionMatcher = new ExpressionMatcher(),
): Selectors {
  if (filters.length > MAX_FILTERS)
    throw new VarveError("invalid-argument", `Cannot read filters: there are more than ${MAX_FILTERS}`);
  const parsed = filters.map((filter) => new Parser(filter, matcher).parse());
  if (parsed.length === 0) return () => true;
  return (field) => parsed.some((terms) => terms.every((term) => term(field)));
}

class Parser {
  readonly #input: string;
  readonly #matcher: ExpressionMatcher;
  #at = 0;

  constructor(input: string, matcher: ExpressionMatcher) {
    this.#input = input;
    this.#matcher = matcher;
  }

  parse(): readonly Term[] {
    if (this.#input.length > MAX_FILTER) throw this.#error(0, `more than ${MAX_FILTER} characters`);
    if (this.#input === "") return [];
    const terms = [this.#term()];
    while (this.#skip() === ",") {
      this.#at += 1;
      terms.push(this.#term());
    }
    if (this.#at < this.#input.length) throw this.#error(this.#at, `unexpected input: ${this.#input[this.#at]}`);
    return terms;
  }

  #term(): Term {
    const path = [this.#field()];
    while (this.#skip() === ".") {
      this.#at += 1;
      path.push(this.#field());
    }
    if (this.#at === this.#input.length || this.#input[this.#at] === ",") return (field) => field(path) !== undefined;
    const at = this.#at;
    const operator = this.#take(OPERATOR)?.[0];
    switch (operator) {
      case "==": {
        const value = this.#value(false);
        return (field) => field(path) === value;
      }
      case "!=": {
        const value = this.#value(false);
        return (field) => (field(path) ?? "") !== value;
      }
      case "~=": {
        const pattern = this.#pattern();
        return (field) => this.#matcher.matches(pattern, field(path) ?? "");
      }
      case undefined:
        throw this.#error(at, 'expected an operator ("=="|"!="|"~=")');
      default:
        throw this.#error(at, `unsupported operator "${operator}"`);
    }
  }

  #field(): string {
    this.#skip();
    const at = this.#at;
    const field = this.#take(FIELD)?.[0] ?? this.#quoted(false);
    if (field === undefined) throw this.#error(at, "expected field or quoted");
    return field;
  }

  #value(isPattern: boolean): string {
    this.#skip();
    const at = this.#at;
    const value = this.#take(VALUE)?.[0] ?? this.#quoted(isPattern);
    if (value === undefined) throw this.#error(at, "expected value or quoted");
    return value;
  }

  #pattern(): RegExp {
    this.#skip();
    const at = this.#at;
    const source = this.#value(true);
    try {
      return new RegExp(source);
    } catch (cause) {
      throw this.#error(at, `"${source}" is not a regular expression`, cause);
    }
  }

  /** Patterns may also be between slashes or bars. */
  #quoted(isPattern: boolean): string | undefined {
    const at = this.#at;
    const [, quote, body] = this.#take(QUOTED) ?? [];
    if (body === undefined) return undefined;
    if (quote !== '"' && !isPattern) throw this.#error(at, "invalid quote encountered");
    return body.replace(ESCAPE, (_, octal?: string, hex?: string, letter = "") => {
      if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
      if (hex === undefined) return CONTROLS[letter] ?? letter;
      const code = Number.parseInt(hex, 16);
      if (code > 0x10_ffff) throw this.#error(at, "unquoting failed: quote syntax error");
      return String.fromCodePoint(code);
    });
  }

  /** Skips white space and returns the next character. */
  #skip(): string | undefined {
    this.#take(SPACE);
    return this.#input[this.#at];
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#input);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }

  #error(at: number, why: string, cause?: unknown): VarveError {
    const input = this.#input.slice(0, MAX_FILTER);
    const place = at < input.length ? `${input.slice(0, at)} >|${input[at]}|< ${input.slice(at + 1)}` : input;
    return new VarveError("invalid-argument", `Cannot read filter: parse error: [${place}]: ${why}`, { cause });
  }
}

interface Sandbox {
  pattern: RegExp;
  value: string;
}

let sandbox: { readonly script: Script; readonly context: Sandbox } | undefined;

/** Matches regular expressions that came from outside, and limits the time that this takes. */
export class ExpressionMatcher {
  /** The processor time in ms that slow matches have taken. */
  #slow = 0;

  /**
   * Returns false if the expression takes too long.
   *
   * @throws {VarveError} `limit-exceeded` if slow matches have taken a second together.
   */
  matches(pattern: RegExp, value: string): boolean {
    for (let attempt = 0; attempt < MATCH_ATTEMPTS; attempt += 1) {
      if (this.#slow > SLOW_TIME)
        throw new VarveError("limit-exceeded", "Cannot match filter: its regular expressions take too long");
      const start = processorTime();
      const isMatch = isolated(pattern, value);
      const took = processorTime() - start;
      if (took > SLOW) this.#slow += took;
      if (isMatch !== undefined) return isMatch;
      if (took > MATCH_TIMEOUT / 2) return false;
    }
    return false;
  }
}

/** Returns the time in ms that this thread has used the processor. */
function processorTime(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Returns undefined if the match takes longer than `MATCH_TIMEOUT`. */
function isolated(pattern: RegExp, value: string): boolean | undefined {
  if (sandbox === undefined) {
    const context: Sandbox = { pattern, value };
    createContext(context);
    sandbox = { script: new Script("pattern.test(value)"), context };
  }
  const { script, context } = sandbox;
  Object.assign(context, { pattern, value });
  try {
    return script.runInContext(context, { timeout: MATCH_TIMEOUT }) === true;
  } catch {
    return undefined;
  }
}
