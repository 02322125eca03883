/** A variable of an image config. */
export interface EnvVariable {
  readonly key: string;
  readonly value: string;
}

/** Splits an entry `KEY=value`; an entry without `=` has the empty value. */
export function splitEnv(entry: string): [key: string, value: string] {
  const equals = entry.indexOf("=");
  return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
}

/** Returns the index of each variable's first entry, for `setEnvEntries`. */
export function indexEnv(entries: readonly string[]): Map<string, number> {
  const index = new Map<string, number>();
  for (const [at, entry] of entries.entries()) {
    const [key] = splitEnv(entry);
    if (!index.has(key)) index.set(key, at);
  }
  return index;
}

/** Replaces variables at their place in `entries`, or appends them. Changes `entries` and its `index`, made by `indexEnv`. */
export function setEnvEntries(entries: string[], index: Map<string, number>, variables: Iterable<EnvVariable>): void {
  for (const { key, value } of variables) {
    const at = index.get(key) ?? entries.length;
    index.set(key, at);
    entries[at] = `${key}=${value}`;
  }
}

/** Returns a copy of `entries` in which each variable has replaced its entry, or is appended. */
export function withEnv(entries: readonly string[], variables: Iterable<EnvVariable>): string[] {
  const copy = [...entries];
  setEnvEntries(copy, indexEnv(copy), variables);
  return copy;
}
