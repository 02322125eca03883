import { trimSpace, trimSpaceStart } from "../../pattern/index.ts";
import { DirectiveReader } from "./directives.ts";
import type { EscapeToken } from "../expand/expand.ts";
import { atRange, fault } from "../source/fault.ts";
import type { Heredoc, HeredocHead } from "./heredoc.ts";
import { type Position, type SourceFile, type SourceRange, TRAILING_RETURNS, lineRange } from "../source/source.ts";

/** The lines of an instruction, joined at their continuations. */
export interface LogicalLine {
  readonly text: string;
  readonly range: SourceRange;
  readonly comments: readonly string[];
  /** The comments `# varve: …` above. */
  readonly policies: readonly PolicyComment[];
  /** If the continuation contains blank lines, the last line of the instruction. */
  readonly emptyContinuation: SourceRange | undefined;
  /** Returns the position in the file of a character of `text`. */
  position(offset: number): Position;
}

/** The text of a comment after `# varve:`. */
export interface PolicyComment {
  readonly text: string;
  /** Where the text starts. */
  readonly start: Position;
}

const POLICY = /^#[\t ]*varve:/i;

interface Piece {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
}

const MAX_LINE = 65_535;

function isComment(line: string): boolean {
  return trimSpaceStart(line).startsWith("#");
}

/** Reads the logical lines of a Dockerfile, and the bodies of heredocs on request. */
export class LineReader {
  readonly file: SourceFile;
  readonly directives: Map<string, string> = new Map();
  escape: EscapeToken = "\\";
  readonly #raw: readonly string[];
  readonly #directiveReader: DirectiveReader = new DirectiveReader();
  #comments: string[] = [];
  #policies: PolicyComment[] = [];
  #at = 0;

  constructor(file: SourceFile) {
    this.file = file;
    const raw = file.text.split("\n");
    if (raw.at(-1) === "") raw.pop();
    this.#raw = raw;
  }

  /** Number of physical lines read so far. */
  get line(): number {
    return this.#at;
  }

  /** Returns the next instruction. Undefined at the end of the file. */
  next(): LogicalLine | undefined {
    for (let line = this.#take(); line !== undefined; line = this.#take()) {
      const text = trimSpaceStart(line);
      if (isComment(text)) this.#comment(text, line.length - text.length);
      else {
        this.#directiveReader.read(text);
        const [start, continues] = this.#cutContinuation(text);
        if (start !== "" || continues) return this.#logical(start, line.length - text.length, continues);
      }
    }
    return undefined;
  }

  /** Reads the body of a heredoc of the instruction that was just read. Throws `invalid-build` if the body has no end. */
  heredoc(head: HeredocHead, first: number): Heredoc {
    let content = "";
    for (let line = this.#take(); line !== undefined; line = this.#take()) {
      if ((head.chomp ? line.replace(/^\t+/, "") : line) === head.name) return { ...head, content };
      content += `${this.#raw[this.#at - 1] ?? ""}${this.#endsInNewline() ? "\n" : ""}`;
    }
    throw atRange(fault("unterminated heredoc"), this.file, lineRange(this.file, first));
  }

  #endsInNewline(): boolean {
    return this.#at < this.#raw.length || this.file.text.endsWith("\n");
  }

  /** Returns the next physical line without its line end. */
  #take(): string | undefined {
    const line = this.#raw[this.#at];
    if (line === undefined) return undefined;
    this.#at++;
    if (line.length * 3 > MAX_LINE && Buffer.byteLength(line) > MAX_LINE) {
      const error = fault(`dockerfile line greater than max allowed size of ${MAX_LINE}`);
      throw atRange(error, this.file, lineRange(this.file, this.#at));
    }
    return line.replace(TRAILING_RETURNS, "");
  }

  #comment(line: string, indent: number): void {
    const directive = this.#located(() => this.#directiveReader.read(line));
    if (directive !== undefined) return this.#located(() => this.#setDirective(directive.name, directive.value));
    const [mark] = POLICY.exec(line) ?? [];
    if (mark !== undefined)
      this.#policies.push({
        text: line.slice(mark.length),
        start: { line: this.#at, column: indent + mark.length + 1 },
      });
    const comment = trimSpace(line.slice(1));
    if (comment === "") this.#comments = [];
    else this.#comments.push(comment);
  }

  #located<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw atRange(error, this.file, lineRange(this.file, this.#at));
    }
  }

  #setDirective(name: string, value: string): void {
    this.directives.set(name, value);
    if (name !== "escape") return;
    if (value !== "\\" && value !== "`") throw fault(`invalid escape token '${value}' does not match \` or \\`);
    this.escape = value;
  }

  #logical(start: string, indent: number, continues: boolean): LogicalLine {
    const first = this.#at;
    const pieces: Piece[] = [{ offset: 0, line: first, column: indent + 1 }];
    const comments = this.#comments;
    this.#comments = [];
    const policies = this.#policies;
    this.#policies = [];
    let text = start;
    let isEmpty = false;
    let more = continues;
    while (more) {
      const line = this.#take();
      if (line === undefined) break;
      if (isComment(line)) continue;
      if (trimSpaceStart(line) === "") {
        isEmpty = true;
        continue;
      }
      const [piece, again] = this.#cutContinuation(line);
      pieces.push({ offset: text.length, line: this.#at, column: 1 });
      text += piece;
      more = again;
    }
    const last = lineRange(this.file, this.#at);
    return {
      text,
      comments,
      policies,
      range: { start: { line: first, column: indent + 1 }, end: last.end },
      emptyContinuation: isEmpty ? last : undefined,
      position: (offset) => positionIn(pieces, offset),
    };
  }

  /**
   * Removes the escape token at the end of a line that continues on the next one. Blanks may follow the token. A line that ends
   * in two tokens does not continue.
   */
  #cutContinuation(line: string): [text: string, continues: boolean] {
    const trimmed = line.replace(/(?<![ \t])[ \t]+$/, "");
    if (!trimmed.endsWith(this.escape)) return [line, false];
    const text = trimmed.slice(0, -1);
    return text.endsWith(this.escape) ? [line, false] : [text, true];
  }
}

function positionIn(pieces: readonly Piece[], offset: number): Position {
  const piece = pieces.findLast((candidate) => candidate.offset <= offset);
  return { line: piece?.line ?? 1, column: (piece?.column ?? 1) + offset - (piece?.offset ?? 0) };
}
