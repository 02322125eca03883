import { Script, createContext } from "node:vm";
import { VarveError, messageOf } from "../core/index.ts";

/** A pattern that an identifier is compared with. */
export interface Pattern {
  matches(text: string): boolean;
  /** Returns `template` with `$1`, `${1}` and `${name}` replaced by what the groups matched. */
  format(text: string, template: string): string;
}

/** Maximum length of a pattern, and of a text that a regular expression is applied to, in UTF-16 code units. */
const MAX_LENGTH = 16_384;

/** Maximum time for one use of a regular expression, in milliseconds. */
const REGEX_TIME = 200;

function invalid(why: string): VarveError {
  return new VarveError("invalid-argument", why);
}

function checkLength(text: string): void {
  if (text.length > MAX_LENGTH)
    throw new VarveError(
      "limit-exceeded",
      `Cannot apply a source policy: a text is longer than ${MAX_LENGTH} characters`,
    );
}

/**
 * Returns the pattern of a wildcard: `*` stands for any characters but line breaks, and is the group that `${1}` names. As in a
 * regular expression, an earlier `*` takes as much as it can.
 *
 * @throws {VarveError} `invalid-argument` for a wildcard with `**`.
 */
export function wildcard(pattern: string): Pattern {
  checkLength(pattern);
  if (pattern.includes("**"))
    throw invalid(`failed to translate wildcard ${JSON.stringify(pattern)} to regexp: invalid wildcard: "**"`);
  const literals = pattern.split("*");
  return {
    matches: (text) => matchWildcard(literals, text) !== undefined,
    format: (text, template) => {
      const groups = matchWildcard(literals, text);
      return groups === undefined ? text : expand(template, (name) => groups[Number(name)] ?? "");
    },
  };
}

/** Returns the text and what each `*` between the literals matched. Linear: literals are placed from the last to the first. */
function matchWildcard(literals: readonly string[], text: string): readonly string[] | undefined {
  const [first = "", ...others] = literals;
  const last = others.pop();
  if (last === undefined) return text === first ? [text] : undefined;
  let end = text.length - last.length;
  if (!text.startsWith(first) || !text.endsWith(last) || end < first.length) return undefined;
  const groups: string[] = [];
  for (const literal of others.toReversed()) {
    const at = end < literal.length ? -1 : text.lastIndexOf(literal, end - literal.length);
    if (at < first.length) return undefined;
    groups.unshift(text.slice(at + literal.length, end));
    end = at;
  }
  groups.unshift(text.slice(first.length, end));
  return groups.some((group) => group.includes("\n")) ? undefined : [text, ...groups];
}

/**
 * Returns the pattern of a regular expression in Go's syntax, as far as JavaScript's has the same. It matches anywhere in a text.
 * A regular expression that takes too long is an error.
 *
 * @throws {VarveError} `invalid-argument` for a malformed expression; its functions throw `limit-exceeded`.
 */
export function regex(pattern: string): Pattern {
  checkLength(pattern);
  const expression = compile(pattern);
  return {
    matches: (text) => run(expression, text).length > 0,
    format: (text, template) => {
      let result = "";
      let at = 0;
      for (const match of run(expression, text)) {
        result += text.slice(at, match.index);
        result += expand(template, (name) => groupOf(match, name));
        at = match.index + match[0].length;
      }
      return result + text.slice(at);
    },
  };
}

function groupOf(match: RegExpExecArray, name: string): string {
  return (/^\d+$/.test(name) ? match[Number(name)] : match.groups?.[name]) ?? "";
}

/** Parts of Go's syntax that JavaScript writes in another way, or does not have. */
const PARTS = /\\p\{\w+\}|\\P\{\w+\}|\\[pP]\w|\\[^]|\(\?P<|\(\?<?[=!]/g;

function translate(part: string): string {
  switch (part) {
    case "(?P<":
      return "(?<";
    case "\\A":
      return "(?<![^])";
    case "\\z":
      return "(?![^])";
    default:
      if (/^\\[pP]/.test(part)) return unicodeClass(part);
      if (/^\\[1-9k]|^\(/.test(part)) throw invalid("look-around and back-references are not supported");
      return part;
  }
}

/** Returns a class such as `\\pL` or `\\p{Greek}`: a category of one or two letters, or a script. */
function unicodeClass(part: string): string {
  const name = part.slice(2).replace(/^\{(.*)\}$/, "$1");
  return `${part.slice(0, 2)}{${name.length > 2 ? "Script=" : ""}${name}}`;
}

/** Compiles an expression. Flags at its beginning, such as `(?i)`, become flags of the whole. */
function compile(pattern: string): RegExp {
  const [head = "", flags = ""] = /^\(\?([ims]+)\)/.exec(pattern) ?? [];
  try {
    const source = pattern.slice(head.length).replaceAll(PARTS, translate);
    return new RegExp(source, `g${/\\[pP]/.test(source) ? "u" : ""}${flags}`);
  } catch (error) {
    throw invalid(`invalid regex ${JSON.stringify(pattern)}: ${messageOf(error)}`);
  }
}

const search = new Script("for (const _ of text.matchAll(expression));");

/**
 * Returns the matches in a text. They are searched in a script with a time-out first, which stops an expression that backtracks for
 * ever.
 */
function run(expression: RegExp, text: string): readonly RegExpExecArray[] {
  checkLength(text);
  try {
    search.runInContext(createContext({ expression, text }), { timeout: REGEX_TIME });
  } catch (error) {
    throw new VarveError("limit-exceeded", `Cannot apply a source policy: regex ${expression.source} takes too long`, {
      cause: error,
    });
  }
  return [...text.matchAll(expression)];
}

/** Expands a template as Go's `Regexp.Expand`: `$$` is a dollar sign, and a name without braces is as long as possible. */
function expand(template: string, valueOf: (name: string) => string): string {
  return template.replaceAll(/\$(?:\$|\{(\w+)\}|(\w+))/g, (whole, braced?: string, plain?: string) => {
    const name = braced ?? plain;
    return whole === "$$" || name === undefined ? "$" : valueOf(name);
  });
}
