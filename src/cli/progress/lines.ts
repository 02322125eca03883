/** Maximum length of a line in characters. A longer line is split, because a step may never print a newline. */
const LONGEST = 16_384;

/** Splits a stream of bytes into lines of text. Joins characters that are split between two chunks. */
export class Lines {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** True if the last line is incomplete. */
  get isPartial(): boolean {
    return this.#rest !== "";
  }

  /** Adds a chunk. Returns the lines that it completes. A carriage return overwrites the line, as on a terminal. */
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

  /** Ends the stream. Returns the last line if it has no newline. */
  end(): string[] {
    const rest = overwritten(this.#rest + this.#decoder.decode());
    this.#rest = "";
    return rest === "" ? [] : bounded(rest);
  }
}

/** Returns the text after the last carriage return that does not end the line. */
function overwritten(line: string): string {
  const end = textEnd(line);
  return line.slice(line.lastIndexOf("\r", end - 1) + 1, end);
}

/** Returns the visible part of an incomplete line. Keeps carriage returns at its end, because a newline may follow. */
function unfinished(line: string): string {
  return line.slice(line.lastIndexOf("\r", textEnd(line) - 1) + 1);
}

/** Returns the length of a line without the carriage returns at its end. */
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
