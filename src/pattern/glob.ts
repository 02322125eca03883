import { badPattern } from "./bad-pattern.ts";

interface Chunk {
  /** The chunk follows at least one `*`. */
  readonly star: boolean;
  readonly body: readonly string[];
}

/** Splits at each `*` outside a class: a pattern is a row of fixed-shape chunks with gaps before some. */
function chunksOf(pattern: string): Chunk[] {
  const runes = Array.from(pattern);
  const chunks: Chunk[] = [];
  let at = 0;
  while (at < runes.length) {
    const star = runes[at] === "*";
    while (runes[at] === "*") at++;
    const start = at;
    let inClass = false;
    while (at < runes.length && (inClass || runes[at] !== "*")) {
      if (runes[at] === "\\" && at + 1 < runes.length) at++;
      else if (runes[at] === "[") inClass = true;
      else if (runes[at] === "]") inClass = false;
      at++;
    }
    chunks.push({ star, body: runes.slice(start, at) });
  }
  return chunks;
}

type ClassMatch = { readonly matched: boolean; readonly next: number };

function classChar(body: readonly string[], at: number, pattern: string): [rune: number, next: number] {
  const first = body[at];
  if (first === undefined || first === "-" || first === "]")
    throw badPattern(pattern, "a character class is malformed");
  const from = first === "\\" ? at + 1 : at;
  const rune = body[from];
  if (rune === undefined || from + 1 >= body.length) throw badPattern(pattern, "a character class is not closed");
  return [rune.codePointAt(0) ?? 0, from + 1];
}

/** Matches a class whose `[` is at `at - 1`; `rune` undefined checks the syntax only. */
function matchClass(body: readonly string[], start: number, rune: string | undefined, pattern: string): ClassMatch {
  const negated = body[start] === "^";
  const wanted = rune?.codePointAt(0) ?? -1;
  let at = negated ? start + 1 : start;
  let inside = false;
  for (let ranges = 0; ranges === 0 || body[at] !== "]"; ranges++) {
    const [low, afterLow] = classChar(body, at, pattern);
    const [high, next] = body[afterLow] === "-" ? classChar(body, afterLow + 1, pattern) : [low, afterLow];
    inside ||= low <= wanted && wanted <= high;
    at = next;
  }
  return { matched: inside !== negated, next: at + 1 };
}

/** The position in `name` after the chunk if it matches there, else -1. The whole chunk is always checked for syntax. */
function matchChunk(body: readonly string[], name: readonly string[], from: number, pattern: string): number {
  let at = from;
  let failed = false;
  for (let i = 0; i < body.length;) {
    if (at >= name.length) failed = true;
    const rune: string | undefined = failed ? undefined : name[at];
    if (body[i] === "[") {
      const { matched, next } = matchClass(body, i + 1, rune, pattern);
      failed ||= !matched;
      i = next;
    } else if (body[i] === "?") {
      failed ||= rune === "/";
      i++;
    } else {
      if (body[i] === "\\") i++;
      if (i >= body.length) throw badPattern(pattern, "it ends in a backslash");
      failed ||= body[i] !== rune;
      i++;
    }
    at++;
  }
  return failed ? -1 : at;
}

/** Where the first chunk ends if it matches somewhere allowed, else -1. The last chunk must reach the end of the name. */
function placeChunk(chunk: Chunk, isLast: boolean, name: readonly string[], from: number, pattern: string): number {
  for (let start = from; ; start++) {
    const end = matchChunk(chunk.body, name, start, pattern);
    if (end >= 0 && (!isLast || end === name.length)) return end;
    if (!chunk.star || start >= name.length || name[start] === "/") return -1;
  }
}

/**
 * True if `name` matches the shell pattern as Go's `path.Match` defines it: `*` and `?` do not cross `/`, `[a-z]`, `[^a-z]`,
 * `\` escapes. Throws `invalid-build` for a malformed pattern, whatever the name. Takes time in the product of both lengths.
 */
export function matchGlob(pattern: string, name: string): boolean {
  const runes = Array.from(name);
  const chunks = chunksOf(pattern);
  let at = 0;
  for (const [index, chunk] of chunks.entries()) {
    const isLast = index === chunks.length - 1;
    if (isLast && chunk.star && chunk.body.length === 0) return !runes.includes("/", at);
    at = placeChunk(chunk, isLast, runes, at, pattern);
    if (at >= 0) continue;
    for (const rest of chunks.slice(index + 1)) matchChunk(rest.body, [], 0, pattern);
    return false;
  }
  return at === runes.length;
}

/** Throws `invalid-build` if `pattern` is not one `matchGlob` takes. */
export function checkGlob(pattern: string): void {
  for (const chunk of chunksOf(pattern)) matchChunk(chunk.body, [], 0, pattern);
}

/** True if the path has a `*`, `?` or `[` that no backslash escapes: then BuildKit treats it as a wildcard. */
export function hasGlob(path: string): boolean {
  for (let i = 0; i < path.length; i++) {
    const char = path[i];
    if (char === "\\") i++;
    else if (char === "*" || char === "?" || char === "[") return true;
  }
  return false;
}
