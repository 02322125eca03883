import { displayWidth } from "../src/cli/columns.ts";
import type { Screen } from "../src/cli/progress/screen.ts";

/** Which sequences a display may use: cursor up, erase below, colours, hiding and showing the cursor. */
// oxlint-disable-next-line no-control-regex -- a terminal's own language
const TOKEN = /\u001b\[(\d*)A|\u001b\[0?J|\u001b\[[0-9;]*m|\u001b\[\?25[lh]|\n|[^\u001b\n]+/gy;

/** A terminal with scrollback, which wraps long lines and wraps them anew when it is resized, as most do today. */
export class FakeTerminal implements Screen {
  readonly isTTY = true;
  readonly colours: boolean;
  columns: number;
  rows: number;
  cursorShown = true;
  /** Everything that was written, as it came. */
  raw = "";
  #lines: string[] = [""];

  constructor(columns = 80, rows = 24, colours = true) {
    this.columns = columns;
    this.rows = rows;
    this.colours = colours;
  }

  /** All lines there are, without what follows the last newline if that is nothing. */
  get lines(): readonly string[] {
    return this.#lines.at(-1) === "" ? this.#lines.slice(0, -1) : this.#lines;
  }

  get text(): string {
    return this.#lines.join("\n");
  }

  /** Columns of the widest line. */
  get widest(): number {
    return Math.max(...this.#lines.map(displayWidth));
  }

  resize(columns: number, rows: number): void {
    this.columns = columns;
    this.rows = rows;
  }

  write(text: string): void {
    this.raw += text;
    TOKEN.lastIndex = 0;
    while (TOKEN.lastIndex < text.length) {
      const at = TOKEN.lastIndex;
      const token = TOKEN.exec(text);
      if (token === null)
        throw new Error(`not a sequence this terminal knows: ${JSON.stringify(text.slice(at, at + 20))}`);
      this.#take(token[0], token[1]);
    }
  }

  #take(token: string, count: string | undefined): void {
    if (token.endsWith("A") && count !== undefined) this.#up(Number(count || 1));
    else if (token.startsWith("\u001b[?")) this.cursorShown = token.endsWith("h");
    else if (token === "\n") this.#lines.push("");
    else if (!token.startsWith("\u001b")) this.#lines[this.#lines.length - 1] += token;
  }

  /** The cursor stands at the start of the last line; what it leaves below is erased at once, as displays do next. */
  #up(rows: number): void {
    let left = Math.min(rows, this.rows - 1);
    this.#lines.pop();
    while (left > 0 && this.#lines.length > 0) {
      const line = this.#lines.at(-1) ?? "";
      const height = Math.max(1, Math.ceil(displayWidth(line) / this.columns));
      if (height > left) break;
      left -= height;
      this.#lines.pop();
    }
    this.#lines.push("");
  }
}

/** A screen that is no terminal: a file or a pipe. */
export class FakePipe implements Screen {
  readonly isTTY = false;
  readonly colours = true;
  readonly columns = 80;
  readonly rows = 24;
  text = "";

  write(text: string): void {
    this.text += text;
  }
}
