/** Cuts a stream of bytes into lines of text, keeping a character that is split between two pieces whole. */
export class Lines {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** The lines that are complete with this piece. A carriage return starts the line again, as on a terminal. */
  push(data: Uint8Array): string[] {
    const parts = (this.#rest + this.#decoder.decode(data, { stream: true })).split("\n");
    this.#rest = parts.pop() ?? "";
    return parts.map(overwritten);
  }

  /** What is left without a newline at the end. */
  end(): string[] {
    const rest = overwritten(this.#rest);
    this.#rest = "";
    return rest === "" ? [] : [rest];
  }
}

function overwritten(line: string): string {
  const parts = line.split("\r").filter((part) => part !== "");
  return parts.at(-1) ?? "";
}
