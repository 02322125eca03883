/** A set of characters, as ranges of code points, both ends included. */
export interface CharSet {
  readonly negated: boolean;
  readonly ranges: readonly (readonly [low: number, high: number])[];
}

/** One part of a pattern's expression. */
export type Term =
  /** One character of the set, or any number of them. */
  | { readonly kind: "set"; readonly set: CharSet; readonly repeat: boolean }
  /** `(.*` + slash + `)?`: nothing, or any whole directories. */
  | { readonly kind: "directories" }
  /** `^` anywhere but at the start. */
  | { readonly kind: "start" };

export function contains({ negated, ranges }: CharSet, code: number): boolean {
  return ranges.some(([low, high]) => low <= code && code <= high) !== negated;
}
