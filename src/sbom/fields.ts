/** Maximum number of fields of one paragraph. */
const MAX_FIELDS = 1000;

/**
 * Reads paragraphs of `Name: value` lines that empty lines separate, as dpkg and Python write them. A line that begins with a space
 * continues the value above. Of several fields of one name, the first counts.
 */
export function* paragraphs(text: string): Generator<ReadonlyMap<string, string>> {
  let fields = new Map<string, string>();
  let last: string | undefined;
  for (const line of lines(text)) {
    if (line.trim() === "") {
      if (fields.size > 0) yield fields;
      fields = new Map();
      last = undefined;
      continue;
    }
    if (/^[ \t]/.test(line)) {
      if (last !== undefined) fields.set(last, `${fields.get(last) ?? ""}\n${line.trim()}`);
      continue;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? undefined : line.slice(0, colon).toLowerCase();
    last = name === undefined || fields.has(name) || fields.size === MAX_FIELDS ? undefined : name;
    if (last !== undefined) fields.set(last, line.slice(colon + 1).trim());
  }
  if (fields.size > 0) yield fields;
}

/** Yields the lines of a text without their ends. */
export function* lines(text: string): Generator<string> {
  for (let start = 0; start < text.length;) {
    const end = text.indexOf("\n", start);
    const line = text.slice(start, end < 0 ? text.length : end);
    yield line.endsWith("\r") ? line.slice(0, -1) : line;
    start = end < 0 ? text.length : end + 1;
  }
}
