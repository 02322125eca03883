import { Limits } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import { corruptArchive } from "../tar/format.ts";

/** Maximum size of one entry in bytes. Base64 makes the attributes of a tar header a third larger. */
const MAX_ENTRY = 2 * Limits.tarHeader;
/** Maximum size of the text before the entries, and of that after them, in bytes. */
const MAX_FRAME = 1024;
const HEAD = /^\s*\{\s*"version"\s*:\s*1\s*,\s*"entries"\s*:\s*(\[|null)$/;
const TAIL = /^\s*\}\s*$/;

const [QUOTE, BACKSLASH, COMMA, OPEN, CLOSE, OPEN_LIST, CLOSE_LIST] = Buffer.from('"\\,{}[]');
const SPACE = new Set(Buffer.from(" \t\r\n"));

/** The position of the splitter in the text. */
type State = "head" | "first" | "comma" | "next" | "entry" | "tail";

/**
 * Splits the text of a table of contents, `{"version":1,"entries":[…]}`, into the texts of its entries, so that a table of any
 * size needs little memory. The caller parses the entries.
 * @throws {VarveError} `corrupt` for anything but commas and white space between entries, and for an entry of more than 2 MiB
 */
export async function* splitToc(json: Bytes, what: string): AsyncGenerator<string> {
  const splitter = new Splitter(what);
  for await (const chunk of json) yield* splitter.feed(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
  splitter.end();
}

class Splitter {
  readonly #what: string;
  #state: State = "head";
  /** The text before the entries, or after them. */
  #frame = "";
  /** The bytes of the current entry in earlier chunks. */
  #parts: Buffer[] = [];
  #size = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(what: string) {
    this.#what = what;
  }

  *feed(chunk: Buffer): Generator<string> {
    let from = 0;
    for (const [at, byte] of chunk.entries()) {
      if (this.#state === "entry") {
        if (!this.#closes(byte)) continue;
        this.#keep(chunk.subarray(from, at + 1));
        yield this.#entry();
      } else {
        this.#around(byte);
        from = at;
      }
    }
    if (this.#state === "entry") this.#keep(chunk.subarray(from));
  }

  end(): void {
    if (this.#state !== "tail" || !TAIL.test(this.#frame)) throw this.#corrupt();
  }

  /** Handles a byte outside of entries. */
  #around(byte: number): void {
    switch (this.#state) {
      case "head":
      case "tail":
        this.#frame += String.fromCharCode(byte);
        if (this.#frame.length > MAX_FRAME) throw this.#corrupt();
        if (this.#state === "head") this.#endHead();
        return;
      default:
        if (!SPACE.has(byte)) this.#state = this.#after(byte);
    }
  }

  #after(byte: number): State {
    if (byte === OPEN && this.#state !== "comma") {
      this.#depth = 1;
      return "entry";
    }
    if (byte === CLOSE_LIST && this.#state !== "next") return "tail";
    if (byte === COMMA && this.#state === "comma") return "next";
    throw this.#corrupt();
  }

  #endHead(): void {
    const match = HEAD.exec(this.#frame);
    if (match === null) return;
    this.#state = match[1] === "[" ? "first" : "tail";
    this.#frame = "";
  }

  /** Returns whether this byte is the last one of the entry. */
  #closes(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return false;
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN || byte === OPEN_LIST) this.#depth += 1;
    else if (byte === CLOSE || byte === CLOSE_LIST) this.#depth -= 1;
    return this.#depth === 0;
  }

  #keep(part: Buffer): void {
    this.#size += part.length;
    if (this.#size > MAX_ENTRY) throw this.#corrupt();
    this.#parts.push(part);
  }

  #entry(): string {
    const text = Buffer.concat(this.#parts).toString();
    [this.#state, this.#parts, this.#size] = ["comma", [], 0];
    return text;
  }

  #corrupt(): Error {
    return corruptArchive(this.#what, "its table of contents is malformed");
  }
}
