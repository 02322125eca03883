/** Bytes of standard error that an error message contains. */
const MAX_TAIL = 2048;

/** The end of what a process writes to its standard error. */
export class ErrorTail {
  #kept: Buffer = Buffer.alloc(0);

  add(chunk: Uint8Array): void {
    const all = Buffer.concat([this.#kept, chunk.subarray(-MAX_TAIL)]);
    this.#kept = all.subarray(-MAX_TAIL);
  }

  /** The text as the end of a message: `: text`. Empty if there is none. */
  get suffix(): string {
    const text = this.#kept.toString().trim();
    return text === "" ? "" : `: ${text}`;
  }
}
