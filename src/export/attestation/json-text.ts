const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s"{}[\],:]+/gs;
const INDENT = "  ";

/** Removes the white space between the tokens of JSON. Does not change values. */
export function compactJson(json: string): string {
  return tokensOf(json).join("");
}

/** Indents JSON by two spaces, as Go's `json.Indent`. Does not change values. */
export function indentJson(json: string): string {
  const out: string[] = [];
  let depth = 0;
  let isEmpty = false;
  const line = (): string => `\n${INDENT.repeat(depth)}`;
  for (const token of tokensOf(json)) {
    const isOpening = token === "{" || token === "[";
    const isClosing = token === "}" || token === "]";
    if (isClosing) depth -= 1;
    if (isEmpty !== isClosing) out.push(line());
    out.push(token === ":" ? ": " : token);
    if (isOpening) depth += 1;
    if (token === ",") out.push(line());
    isEmpty = isOpening;
  }
  return out.join("");
}

/** Returns a member of a JSON object as compact JSON. The last one of that name counts. Undefined if there is none. */
export function memberOf(json: string, name: string): string | undefined {
  const tokens = tokensOf(json);
  let found: string | undefined;
  let depth = 0;
  for (let at = 0; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === "{" || token === "[") depth += 1;
    else if (token === "}" || token === "]") depth -= 1;
    else if (depth === 1 && tokens[at + 1] === ":" && token !== undefined && JSON.parse(token) === name) {
      const end = endOfValue(tokens, at + 2);
      found = tokens.slice(at + 2, end).join("");
      at = end - 1;
    }
  }
  return found;
}

function endOfValue(tokens: readonly string[], start: number): number {
  let depth = 0;
  for (let at = start; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === "{" || token === "[") depth += 1;
    if (token === "}" || token === "]") depth -= 1;
    if (depth === 0) return at + 1;
  }
  return tokens.length;
}

function tokensOf(json: string): string[] {
  return json.match(TOKEN) ?? [];
}
