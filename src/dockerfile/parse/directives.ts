import { trimSpace, trimSpaceStart } from "../../pattern/index.ts";
import { fault } from "../source/fault.ts";
import { type SourceFile, type SourceRange, lineRange } from "../source/source.ts";

/** A parser directive: `# syntax=…`, `# escape=…` or `# check=…`. */
export interface Directive {
  readonly name: string;
  readonly value: string;
  readonly range: SourceRange;
}

const KNOWN = new Set(["syntax", "escape", "check"]);
const SHAPE = /^([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=[\t\n\f\r ]*(\S.*)$/s;

/** Parses the text of a comment as a directive. The name is in lower case. Undefined if it is not a known directive. */
export function readDirective(text: string): { name: string; value: string } | undefined {
  const match = SHAPE.exec(trimSpaceStart(text));
  const name = match?.[1]?.toLowerCase();
  return name === undefined || !KNOWN.has(name) ? undefined : { name, value: trimSpace(match?.[2] ?? "") };
}

/** Reads the directives at the top of a file, line by line. The first other line ends them. */
export class DirectiveReader {
  readonly #comment: string;
  readonly #names: Set<string> = new Set();
  #done = false;

  constructor(comment = "#") {
    this.#comment = comment;
  }

  /** Returns the directive on a line. Throws `invalid-build` for a second directive with the same name. */
  read(line: string): { name: string; value: string } | undefined {
    if (this.#done) return undefined;
    const found = line.startsWith(this.#comment) ? readDirective(line.slice(this.#comment.length)) : undefined;
    if (found === undefined) {
      this.#done = true;
      return undefined;
    }
    if (this.#names.has(found.name)) throw fault(`only one ${found.name} parser directive can be used`);
    this.#names.add(found.name);
    return found;
  }
}

function findDirective(name: string, file: SourceFile, comment: string): Directive | undefined {
  const reader = new DirectiveReader(comment);
  const shebang = file.lines[0]?.startsWith("#!") === true;
  for (const [index, line] of file.lines.entries()) {
    if (index === 0 && shebang) continue;
    const found = reader.read(line);
    if (found === undefined) return undefined;
    if (found.name === name) return { ...found, range: lineRange(file, index + 1) };
  }
  return undefined;
}

/** Returns a directive at the top of a file. Undefined if there is none. Ignores a first line `#!…`. */
export function directive(name: "syntax" | "escape" | "check", file: SourceFile): Directive | undefined {
  try {
    return findDirective(name, file, "#");
  } catch {
    return undefined;
  }
}

/** The front end that a file names. */
export interface Syntax {
  /** The image: the first word of the value. */
  readonly image: string;
  /** The whole value. */
  readonly cmdline: string;
  readonly range: SourceRange;
}

/** Returns the front end that a file of any language names: by `# syntax=`, `// syntax=`, or `"syntax"` in JSON. */
export function detectSyntax(file: SourceFile): Syntax | undefined {
  const found = directive("syntax", file) ?? slashDirective(file);
  if (found !== undefined) return { ...syntaxOf(found.value), range: found.range };
  const value = jsonSyntax(file.text);
  return value === undefined ? undefined : { image: value, cmdline: value, range: lineRange(file, 1) };
}

/** Returns the front end that a value of `# syntax=` names: an image, and words for it. */
export function syntaxOf(cmdline: string): Omit<Syntax, "range"> {
  return { image: cmdline.split(" ")[0] ?? "", cmdline };
}

function slashDirective(file: SourceFile): Directive | undefined {
  try {
    return findDirective("syntax", file, "//");
  } catch {
    return undefined;
  }
}

function jsonSyntax(text: string): string | undefined {
  if (!text.trimStart().startsWith("{")) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, "syntax")) return undefined;
    const syntax: unknown = Reflect.get(value, "syntax");
    return typeof syntax === "string" ? syntax : undefined;
  } catch {
    return undefined;
  }
}
