const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

/** Bounds of a document, found without parsing it. */
export interface JsonMeasure {
  /** An upper bound: one value starts the document, and each other one follows `,`, `[` or `{`. */
  readonly values: number;
  /** How deep lists and objects are nested. */
  readonly depth: number;
}

/** Measures a document before it is parsed: each value takes far more memory than the few bytes that write it. */
export function measureJson(bytes: Uint8Array): JsonMeasure {
  let values = 1;
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at += 1) {
    const byte = bytes[at];
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === COMMA) values += 1;
    else if (byte === 0x5b || byte === 0x7b) {
      values += 1;
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (byte === 0x5d || byte === 0x7d) depth -= 1;
  }
  return { values, depth: deepest };
}
