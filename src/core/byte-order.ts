/**
 * Compares two strings by the bytes of their UTF-8 encoding, as Go's `<` and `sort.Strings` do. JavaScript's own order differs
 * for characters above U+FFFF. For `Array.prototype.sort`.
 */
export function compareBytes(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b));
}
