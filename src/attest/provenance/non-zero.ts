import type { OrderedJson } from "../../core/index.ts";

/** Removes the fields that Go's `omitempty` leaves out: zero, false, empty text and empty lists. */
export function nonZero(fields: Readonly<Record<string, OrderedJson>>): { readonly [key: string]: OrderedJson } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isZero(value)));
}

function isZero(value: OrderedJson): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || value === "" || value === 0 || value === 0n || value === false;
}
