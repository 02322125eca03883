import { Limits, VarveError, goQuote, isVarveError } from "../../core/index.ts";
import { ExpansionBudget } from "./budget.ts";
import { replaceAll, replaceFirst, trimPrefix, trimSuffix } from "./expand-pattern.ts";
import { Words } from "./words.ts";
import { fault } from "../source/fault.ts";

/** The values of variables. A `Map` is one. */
export interface Variables {
  get(name: string): string | undefined;
}

export type EscapeToken = "\\" | "`";

export interface ExpandOptions {
  /** The escape character, as set by the `escape` directive. */
  readonly escape: EscapeToken;
  /** Keep quotes in the result. */
  readonly rawQuotes?: boolean | undefined;
  /** Keep escape characters in the result. */
  readonly rawEscapes?: boolean | undefined;
  /** Treat quotes as ordinary characters, as in the body of a heredoc. */
  readonly ignoreQuotes?: boolean | undefined;
  /** Keep references to unset variables in the result. */
  readonly keepUnset?: boolean | undefined;
  /** Limits the cost. Share it among all expansions of a file. */
  readonly budget?: ExpansionBudget | undefined;
}

export interface Expansion {
  readonly text: string;
  /** The expanded text, split at white space outside quotes. */
  readonly words: readonly string[];
  /** The names of used variables that are set. */
  readonly matched: ReadonlySet<string>;
  /** The names of used variables that are not set. */
  readonly unmatched: ReadonlySet<string>;
}

const MAX_DEPTH = 100;
const SPECIAL_PARAMETERS = new Set("@*#?-$!0");
const LETTER = /^\p{L}$/u;
const DIGIT = /^\p{Nd}$/u;

class Expander {
  readonly matched: Set<string> = new Set();
  readonly unmatched: Set<string> = new Set();
  readonly #runes: readonly string[];
  readonly #variables: Variables;
  readonly #options: ExpandOptions;
  readonly #budget: ExpansionBudget;
  #rawEscapes: boolean;
  #at = 0;
  #depth = 0;

  constructor(source: string, variables: Variables, options: ExpandOptions) {
    this.#runes = Array.from(source.startsWith("\ufeff") ? source.slice(1) : source);
    this.#variables = variables;
    this.#options = options;
    this.#budget = options.budget ?? new ExpansionBudget();
    this.#rawEscapes = options.rawEscapes ?? false;
  }

  /** Expands the text up to `stop`, which it consumes, or up to the end. */
  readUntil(stop: string | undefined, rawEscapes: boolean = this.#rawEscapes): { text: string; words: string[] } {
    if (++this.#depth > MAX_DEPTH) throw fault(`substitutions are nested more than ${MAX_DEPTH} deep`);
    const outer = this.#rawEscapes;
    this.#rawEscapes = rawEscapes;
    const words = new Words();
    let text = "";
    for (let rune = this.#peek(); rune !== stop; rune = this.#peek()) {
      if (rune === undefined) throw unexpectedEnd(stop ?? "");
      text += this.#piece(rune, words);
      checkLength(text);
    }
    this.#at++;
    this.#rawEscapes = outer;
    this.#depth--;
    return { text, words: words.end() };
  }

  #peek(): string | undefined {
    return this.#runes[this.#at];
  }

  #next(): string | undefined {
    return this.#runes[this.#at++];
  }

  #piece(rune: string, words: Words): string {
    if (rune === "$") {
      const value = this.#dollar();
      words.addAll(value);
      return value;
    }
    if (rune === "<") return words.addRaw(this.#angle());
    if (rune === "'" && this.#options.ignoreQuotes !== true) return words.addRaw(this.#singleQuoted());
    if (rune === '"' && this.#options.ignoreQuotes !== true) return words.addRaw(this.#doubleQuoted());
    this.#at++;
    if (rune === this.#options.escape) return words.addRaw((this.#rawEscapes ? rune : "") + (this.#next() ?? ""));
    words.add(rune);
    return rune;
  }

  /** Reads `<<` and the blanks after it, which belong to the following word. */
  #angle(): string {
    this.#at++;
    if (this.#peek() !== "<") return "<";
    this.#at++;
    let text = "<<";
    for (let rune = this.#peek(); rune === " " || rune === "\t" || rune === "\r"; rune = this.#peek()) {
      text += rune;
      this.#at++;
    }
    return text;
  }

  #singleQuoted(): string {
    const end = this.#runes.indexOf("'", this.#at + 1);
    if (end < 0) throw unexpectedEnd("single-quote");
    const text = this.#runes.slice(this.#at + 1, end).join("");
    this.#at = end + 1;
    return this.#options.rawQuotes === true ? `'${text}'` : text;
  }

  #doubleQuoted(): string {
    this.#at++;
    let text = "";
    for (let rune = this.#peek(); rune !== '"'; rune = this.#peek()) {
      if (rune === undefined) throw unexpectedEnd("double-quote");
      text += rune === "$" ? this.#dollar() : this.#quotedChar();
      checkLength(text);
    }
    this.#at++;
    return this.#options.rawQuotes === true ? `"${text}"` : text;
  }

  /** Reads a character in double quotes, where the escape character escapes only `"`, `$` and itself. */
  #quotedChar(): string {
    const rune = this.#next() ?? "";
    if (rune !== this.#options.escape) return rune;
    const kept = this.#rawEscapes ? rune : "";
    const escaped = this.#peek();
    if (escaped === undefined) return kept;
    if (escaped !== '"' && escaped !== "$" && escaped !== rune) return kept + rune;
    this.#at++;
    return kept + escaped;
  }

  #dollar(): string {
    const value = this.#substitution();
    this.#budget.spend(value.length);
    return value;
  }

  #substitution(): string {
    this.#at++;
    if (this.#peek() === "{") return this.#braced();
    const name = this.#name();
    if (name === "") return "$";
    const value = this.#lookUp(name);
    return value ?? (this.#options.keepUnset === true ? `$${name}` : "");
  }

  #braced(): string {
    this.#at++;
    const first = this.#peek();
    if (first === undefined) throw fault("syntax error: missing '}'");
    if (first === "{" || first === "}" || first === ":") throw fault("syntax error: bad substitution");
    const name = this.#name();
    const modifier = this.#next();
    if (modifier === "}") {
      const value = this.#lookUp(name);
      return value ?? (this.#options.keepUnset === true ? `\${${name}}` : "");
    }
    if (modifier === undefined) throw fault("syntax error: missing '}'");
    if (modifier === "/") return this.#replacement(name);
    if (modifier === ":") return this.#modified(name, this.#next() ?? "", true);
    if ("+-?#%".includes(modifier)) return this.#modified(name, modifier, false);
    throw fault(`unsupported modifier (${modifier}) in substitution`);
  }

  #modified(name: string, modifier: string, nullIsUnset: boolean): string {
    const shown = (nullIsUnset ? ":" : "") + modifier;
    const trims = modifier === "#" || modifier === "%";
    if (nullIsUnset && trims) throw fault(`unsupported modifier (${shown}) in substitution`);
    const word = this.#operand("}", trims);
    const value = this.#lookUp(name);
    if (value === undefined && this.#options.keepUnset === true) return `\${${name}${shown}${word}}`;
    const isNull = value === undefined || (nullIsUnset && value === "");
    if (modifier === "-") return isNull ? word : value;
    if (modifier === "+") return isNull ? "" : word;
    if (modifier === "?" && !isNull) return value;
    if (modifier === "?")
      throw fault(`${name}: ${word === "" ? `is not allowed to be ${value === undefined ? "unset" : "empty"}` : word}`);
    if (!trims) throw fault(`unsupported modifier (${shown}) in substitution`);
    const greedy = word.startsWith(modifier);
    const pattern = greedy ? word.slice(1) : word;
    const trim = modifier === "#" ? trimPrefix : trimSuffix;
    return trim({ pattern, value: value ?? "", budget: this.#budget }, greedy);
  }

  #replacement(name: string): string {
    const all = this.#peek() === "/";
    if (all) this.#at++;
    const pattern = this.#operand("/", true);
    const replacement = this.#operand("}", true);
    const value = this.#lookUp(name);
    if (value === undefined && this.#options.keepUnset === true) return `\${${name}/${pattern}/${replacement}}`;
    return (all ? replaceAll : replaceFirst)({ pattern, value: value ?? "", budget: this.#budget }, replacement);
  }

  #operand(stop: "}" | "/", rawEscapes: boolean): string {
    try {
      return this.readUntil(stop, rawEscapes).text;
    } catch (error) {
      const ended = this.#peek() === undefined && isVarveError(error, "invalid-build") && error.details.unfinished;
      throw ended === true ? fault(`syntax error: missing '${stop}'${stop === "/" ? " in ${}" : ""}`) : error;
    }
  }

  #name(): string {
    const first = this.#peek() ?? "";
    if (DIGIT.test(first)) return this.#readWhile((rune) => DIGIT.test(rune));
    if (SPECIAL_PARAMETERS.has(first)) return this.#next() ?? "";
    return this.#readWhile((rune) => rune === "_" || LETTER.test(rune) || DIGIT.test(rune));
  }

  #readWhile(accepts: (rune: string) => boolean): string {
    const start = this.#at;
    for (let rune = this.#peek(); rune !== undefined && accepts(rune); rune = this.#peek()) this.#at++;
    return this.#runes.slice(start, this.#at).join("");
  }

  #lookUp(name: string): string | undefined {
    const value = this.#variables.get(name);
    (value === undefined ? this.unmatched : this.matched).add(name);
    return value;
  }
}

function checkLength({ length }: string): void {
  if (length <= Limits.expandedText) return;
  throw new VarveError(
    "limit-exceeded",
    `Cannot expand variables: the result is longer than ${Limits.expandedText} characters`,
  );
}

function quoted(source: string): string {
  return goQuote(source.length > 200 ? `${source.slice(0, 200)}…` : source);
}

/**
 * Expands `$name`, `${name}` and `${name<modifier>…}`, removes quotes and escapes, and splits the result into words, like
 * BuildKit's shell lexer.
 *
 * @throws {VarveError} `invalid-build`, without a location, for bad syntax and for `${name:?message}`; `limit-exceeded` for a
 * result longer than `Limits.expandedText` characters, and when the budget is spent
 *
 * @example
 * expand("${name:-world}", new Map(), { escape: "\\" }).text; // "world"
 */
export function expand(source: string, variables: Variables, options: ExpandOptions): Expansion {
  const expander = new Expander(source, variables, options);
  try {
    const { text, words } = expander.readUntil(undefined);
    return { text, words, matched: expander.matched, unmatched: expander.unmatched };
  } catch (error) {
    if (!(error instanceof VarveError) || error.code !== "invalid-build") throw error;
    throw fault(`failed to process ${quoted(source)}: ${error.message}`);
  }
}

/** No variable is set. */
export const NO_VARIABLES: Variables = { get: () => undefined };

function unexpectedEnd(missing: string): VarveError {
  const message = `unexpected end of statement while looking for matching ${missing}`;
  return new VarveError("invalid-build", message, { details: { unfinished: true } });
}
