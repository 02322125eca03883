import { badPattern } from "./bad-pattern.ts";
import { compileExpression } from "./expression.ts";
import { checkGlob } from "./glob.ts";
import { cleanPath } from "./path.ts";
import { trimSpace } from "./space.ts";

/** One line of an ignore list. */
export interface Pattern {
  /** The cleaned pattern, without its `!`. */
  readonly text: string;
  /** It began with `!`: what it matches is taken out of the set again. */
  readonly exclusion: boolean;
  /** True if the pattern matches this very path; parents are the matcher's business. */
  matches(path: string): boolean;
}

type Matcher = (path: string) => boolean;

const PLAIN = /^[^*?[\]\\]*$/;

function compile(text: string): Matcher {
  if (PLAIN.test(text)) return (path) => path === text;
  if (text.endsWith("/**") && PLAIN.test(text.slice(0, -2))) return prefix(text.slice(0, -2));
  if (text.endsWith("**") && text !== "**" && PLAIN.test(text.slice(0, -2))) return prefix(text.slice(0, -2));
  if (text.startsWith("**") && PLAIN.test(text.slice(2))) return suffix(text.slice(2));
  const expression = compileExpression(text);
  return (path) => expression.matches(path);
}

function prefix(start: string): Matcher {
  return (path) => path.startsWith(start);
}

/** `**` + `/foo` also matches `foo` itself. */
function suffix(end: string): Matcher {
  return (path) => path.endsWith(end) || (end.startsWith("/") && path === end.slice(1));
}

/** Undefined for a blank line. Throws `invalid-build` for a lone `!` or a malformed glob. */
export function parsePattern(line: string): Pattern | undefined {
  const trimmed = trimSpace(line);
  if (trimmed === "") return undefined;
  const clean = cleanPath(trimmed);
  if (clean === "!") throw badPattern(line, 'illegal exclusion pattern: "!"');
  const exclusion = clean.startsWith("!");
  const text = exclusion ? clean.slice(1) : clean;
  checkGlob(text);
  return { text, exclusion, matches: compile(text) };
}
