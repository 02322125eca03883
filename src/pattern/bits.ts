/** A row of bits, 32 to a word. */
export type Bits = Int32Array;

function wordsFor(bits: number): number {
  return (bits + 31) >> 5;
}

/** The bits of all positions below `size` for which `holds` is true. */
export function bitsWhere(size: number, holds: (position: number) => boolean): Bits {
  const bits = new Int32Array(wordsFor(size));
  for (let at = 0; at < size; at++) if (holds(at)) setBit(bits, at);
  return bits;
}

export function setBit(bits: Bits, at: number): void {
  bits[at >> 5] = (bits[at >> 5] ?? 0) | (1 << (at & 31));
}

export function hasBit(bits: Bits, at: number): boolean {
  return (((bits[at >> 5] ?? 0) >>> (at & 31)) & 1) === 1;
}

/** The word at an index below the length. */
export function word(bits: Bits, at: number): number {
  return bits[at] ?? 0;
}
