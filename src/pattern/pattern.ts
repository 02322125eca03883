import { badPattern } from "./bad-pattern.ts";
import { compileExpression, type Expression } from "./expression.ts";
import { checkGlob } from "./glob.ts";
import { cleanPath } from "./path.ts";
import { trimSpace } from "./space.ts";

/** One line of an ignore list. Paths are slash paths without a leading slash. */
export interface Pattern extends Expression {
  /** The cleaned pattern, without its `!`. */
  readonly text: string;
  /** True if it began with `!`: paths that match are excluded again. */
  readonly exclusion: boolean;
}

const PLAIN = /^[^*?[\]\\]*$/;

function compile(text: string): Expression {
  if (PLAIN.test(text)) return exact(text);
  if (text.startsWith("**") && PLAIN.test(text.slice(2))) return suffix(text.slice(2));
  if (text.endsWith("**") && PLAIN.test(text.slice(0, -2))) return prefix(text.slice(0, -2));
  return compileExpression(text);
}

function exact(text: string): Expression {
  return {
    matches: (path) => path === text,
    matchesParents: (path) => path.startsWith(text) && (path.length === text.length || path[text.length] === "/"),
  };
}

function prefix(start: string): Expression {
  const matches = (path: string): boolean => path.startsWith(start);
  return { matches, matchesParents: matches };
}

/** `**` + `/foo` also matches `foo` itself. */
function suffix(end: string): Expression {
  const matches = (path: string): boolean => path.endsWith(end) || (end.startsWith("/") && path === end.slice(1));
  const matchesParents = (path: string): boolean =>
    matches(path) || path.includes(`${end}/`) || (end.startsWith("/") && path.startsWith(`${end.slice(1)}/`));
  return { matches, matchesParents };
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
  const expression = compile(text);
  return {
    text,
    exclusion,
    matches: (path) => expression.matches(path),
    matchesParents: (path) => expression.matchesParents(path),
  };
}
