/** One challenge of a `WWW-Authenticate` field: RFC 9110, section 11.6.1. The scheme and parameter names are lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)"/y;
const SPACE = /[ \t]*/y;
const TOKEN68 = /[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|$))/y;
const MAX_LENGTH = 8192;
const MAX_CHALLENGES = 16;
const MAX_PARAMETERS = 32;

/** A cursor over one field value. A read that fails does not move it. */
class Cursor {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  get done(): boolean {
    return this.#at >= this.#text.length;
  }

  mark(): number {
    return this.#at;
  }

  back(mark: number): void {
    this.#at = mark;
  }

  match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found === null) return undefined;
    this.#at = pattern.lastIndex;
    return found;
  }

  char(wanted: string): boolean {
    if (this.#text[this.#at] !== wanted) return false;
    this.#at += 1;
    return true;
  }
}

/** name BWS "=" BWS (token / quoted-string) */
function readParameter(cursor: Cursor): readonly [name: string, value: string] | undefined {
  const start = cursor.mark();
  const name = cursor.match(TOKEN)?.[0];
  if (name !== undefined) {
    cursor.match(SPACE);
    if (cursor.char("=")) {
      cursor.match(SPACE);
      const quoted = cursor.match(QUOTED)?.[1];
      const value = quoted === undefined ? cursor.match(TOKEN)?.[0] : quoted.replace(/\\(.)/gs, "$1");
      if (value !== undefined) return [name.toLowerCase(), value];
    }
  }
  cursor.back(start);
  return undefined;
}

/** Skips list separators; false if there is none and the field continues. */
function readSeparator(cursor: Cursor): boolean {
  cursor.match(SPACE);
  let seen = false;
  while (cursor.char(",")) {
    seen = true;
    cursor.match(SPACE);
  }
  return seen || cursor.done;
}

/** Undefined if the parameters violate the grammar; empty if there are none. */
function readParameters(cursor: Cursor): Map<string, string> | undefined {
  const parameters = new Map<string, string>();
  for (;;) {
    const parameter = readParameter(cursor);
    if (parameter === undefined) return parameters;
    if (parameters.has(parameter[0]) || parameters.size >= MAX_PARAMETERS) return undefined;
    parameters.set(...parameter);
    if (!readSeparator(cursor)) return undefined;
  }
}

function readChallenge(cursor: Cursor): Challenge | undefined {
  const scheme = cursor.match(TOKEN)?.[0].toLowerCase();
  if (scheme === undefined) return undefined;
  if ((cursor.match(/[ \t]+/y)?.[0] ?? "") === "") {
    return readSeparator(cursor) ? { scheme, parameters: new Map() } : undefined;
  }
  const start = cursor.mark();
  const parameters = readParameters(cursor);
  if (parameters === undefined) return undefined;
  if (parameters.size === 0 && cursor.match(TOKEN68) === undefined) cursor.back(start);
  if (parameters.size === 0 && !readSeparator(cursor)) return undefined;
  return { scheme, parameters };
}

/**
 * Reads the values of `WWW-Authenticate` strictly. A field that violates the grammar, repeats a parameter or is longer than 8 KiB yields no
 * challenges, so that credentials are never sent on a guess.
 */
export function parseChallenges(values: readonly string[]): readonly Challenge[] {
  const challenges: Challenge[] = [];
  for (const value of values) {
    if (value.length > MAX_LENGTH) return [];
    const cursor = new Cursor(value);
    readSeparator(cursor);
    while (!cursor.done) {
      const challenge = readChallenge(cursor);
      if (challenge === undefined || challenges.length >= MAX_CHALLENGES) return [];
      challenges.push(challenge);
    }
  }
  return challenges;
}
