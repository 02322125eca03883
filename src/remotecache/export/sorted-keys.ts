import type { ExportKey, ExportKeyLink } from "./export-keys.ts";

/** The keys that a document can contain, inputs first, with the links that are left of each input. */
export type SortedKeys = ReadonlyMap<ExportKey, readonly (readonly ExportKeyLink[])[]>;

interface Visit {
  readonly key: ExportKey;
  readonly next: Iterator<ExportKeyLink>;
}

const visit = (key: ExportKey): Visit => ({ key, next: key.inputs.flat().values() });

/**
 * Sorts the ancestors of the given keys, inputs first. It leaves out links that close a loop, keys with an input that has no link
 * left, and keys that depend on such a key. It does not recurse, because chains may be long.
 */
export function sortKeys(tops: readonly ExportKey[]): SortedKeys {
  const done = new Map<ExportKey, readonly (readonly ExportKeyLink[])[]>();
  const visited = new Set<ExportKey>();
  for (const top of tops) {
    if (visited.has(top)) continue;
    visited.add(top);
    const path = [visit(top)];
    for (let last = path.at(-1); last !== undefined; last = path.at(-1)) {
      const { value, done: isAll } = last.next.next();
      if (isAll !== true) {
        if (!visited.has(value.from)) path.push(visit(value.from));
        visited.add(value.from);
        continue;
      }
      path.pop();
      const inputs = last.key.inputs.map((list) => list.filter(({ from }) => done.has(from)));
      if (inputs.every((list) => list.length > 0)) done.set(last.key, inputs);
    }
  }
  return done;
}
