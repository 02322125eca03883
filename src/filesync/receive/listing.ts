/** Bytes of a listing that is kept; a longer one is not. About 400,000 entries. */
const MAX_BYTES = 33_554_432;
const FIRST_BYTES = 4096;

/** The encoded packets of a listing, in order: those of its entries, and the last one, which ends it. */
export class Listing {
  #bytes: Buffer = Buffer.allocUnsafe(FIRST_BYTES);
  /** Where each packet ends. */
  readonly #ends: number[] = [];
  #isTooLong = false;

  /** Number of packets. */
  get length(): number {
    return this.#ends.length;
  }

  /** True if not all packets were kept. */
  get isTooLong(): boolean {
    return this.#isTooLong;
  }

  /** Returns the packet at an index. */
  at(index: number): Uint8Array {
    return this.#bytes.subarray(this.#ends[index - 1] ?? 0, this.#ends[index] ?? 0);
  }

  /** Returns whether the packet at an index is this one. */
  isAt(index: number, packet: Uint8Array): boolean {
    const end = this.#ends[index];
    if (end === undefined) return false;
    const start = this.#ends[index - 1] ?? 0;
    return end - start === packet.length && this.#bytes.compare(packet, 0, packet.length, start, end) === 0;
  }

  /** Adds a copy of a packet. */
  add(packet: Uint8Array): void {
    const start = this.#ends.at(-1) ?? 0;
    const end = start + packet.length;
    this.#isTooLong ||= end > MAX_BYTES;
    if (this.#isTooLong) return;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(packet, start);
    this.#ends.push(end);
  }

  #grow(atLeast: number): void {
    const bytes = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, atLeast));
    this.#bytes.copy(bytes);
    this.#bytes = bytes;
  }
}
