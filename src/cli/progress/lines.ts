/** Characters after which a line is cut: a step may print for ever without a newline. */
const LONGEST = 16_384;

/** Cuts a stream of bytes into lines of text, keeping a character that is split between two pieces whole. */
export class Lines {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** Some of a line is here whose end is not. */
  get isPartial(): boolean {
    return this.#rest !== "";
  }

  /** The lines that are complete with this piece. A carriage return starts the line again, as on a terminal. */
  push(data: Uint8Array): string[] {
    const parts = (this.#rest + this.#decoder.decode(data, { stream: true })).split("\n");
    this.#rest = unfinished(parts.pop() ?? "");
    const lines = parts.map(overwritten);
    if (this.#rest.length > LONGEST) {
      lines.push(this.#rest);
      this.#rest = "";
    }
    return lines.flatMap(bounded);
  }

  /** What is left without a newline at the end. */
  end(): string[] {
    const rest = overwritten(this.#rest + this.#decoder.decode());
    this.#rest = "";
    return rest === "" ? [] : bounded(rest);
  }
}

/** What the last carriage return leaves to see. */
function overwritten(line: string): string {
  const end = textEnd(line);
  return line.slice(line.lastIndexOf("\r", end - 1) + 1, end);
}

/** What of a line that goes on can still be seen; the carriage returns at its end may be half of a line's end. */
function unfinished(line: string): string {
  return line.slice(line.lastIndexOf("\r", textEnd(line) - 1) + 1);
}

/** Where the carriage returns at the end of a line begin. */
function textEnd(line: string): number {
  let end = line.length;
  while (end > 0 && line[end - 1] === "\r") end -= 1;
  return end;
}

function bounded(line: string): string[] {
  if (line.length <= LONGEST) return [line];
  const pieces = Math.ceil(line.length / LONGEST);
  return Array.from({ length: pieces }, (_, index) => line.slice(index * LONGEST, (index + 1) * LONGEST));
}
