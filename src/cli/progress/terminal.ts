import type { BuildEvent, StatusEvent } from "../../engine/index.ts";
import { printableLine, withoutColours } from "../printable.ts";
import { displayWidth, fitColumns } from "../columns.ts";
import type { Display } from "./display.ts";
import type { Screen } from "./screen.ts";
import { StepOutput } from "./step-output.ts";
import { type VertexView, Vertices, missedText, seconds } from "./vertices.ts";

const REFRESH_MS = 100;
/** Lines of output shown under a running step. */
const TAIL = 6;
const BARS = 8;
const BAR = 20;
const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";

/**
 * Progress on a terminal: a line with the time of each step, bars for running transfers, and the last lines that running steps
 * printed.
 */
export class TerminalDisplay implements Display {
  readonly #screen: Screen;
  readonly #vertices = new Vertices();
  readonly #output = new StepOutput();
  readonly #warnings: string[] = [];
  readonly #started = Date.now();
  readonly #timer: NodeJS.Timeout;
  readonly #showCursor = (): void => this.#screen.write(SHOW_CURSOR);
  /** Widths in columns of the lines of the last draw. */
  #drawn: readonly number[] = [];

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#timer = setInterval(() => this.#draw(false), REFRESH_MS);
    this.#timer.unref();
    this.#screen.write(HIDE_CURSOR);
    process.once("exit", this.#showCursor);
  }

  event(event: BuildEvent): void {
    const view = this.#vertices.take(event);
    if (event.kind === "warning") this.#warnings.push(printableLine(event.short));
    if (view === undefined) return;
    if (event.kind === "log") this.#output.push(view, event.data, event.at);
    if (event.kind === "vertex" && event.error !== undefined) this.#output.end(view);
  }

  finish(): void {
    clearInterval(this.#timer);
    process.off("exit", this.#showCursor);
    this.#draw(true);
    for (const view of this.#vertices.failed()) {
      this.#screen.write(this.#output.failure(view, printableLine(view.vertex.name)));
    }
    for (const warning of this.#warnings) this.#screen.write(`${this.#paint("WARN:", 33)} ${warning}\n`);
    this.#showCursor();
  }

  #draw(last: boolean): void {
    const lines = this.#lines(last);
    const height = Math.max(3, this.#screen.rows - 1);
    const [head = "", ...rest] = lines;
    const shown = last || lines.length <= height ? lines : [head, ...rest.slice(-(height - 1))];
    const up = this.#drawnRows();
    this.#screen.write(`${up > 0 ? `\u001b[${up}A` : ""}\u001b[0J${shown.join("\n")}\n`);
    this.#drawn = last ? [] : shown.map((line) => displayWidth(withoutColours(line)));
  }

  /** Returns the number of rows of the last draw. A terminal that became narrower has wrapped its lines. */
  #drawnRows(): number {
    const { columns } = this.#screen;
    return this.#drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
  }

  #lines(last: boolean): string[] {
    const started = this.#vertices.started();
    const done = started.filter((view) => view.vertex.completedAt !== undefined || view.vertex.cached === true).length;
    const now = Date.now();
    const word = last ? "Built" : "Building";
    const header = this.#columns(`[+] ${word} ${seconds(now - this.#started)}s (${done}/${this.#vertices.size})`, "");
    return [header, ...started.flatMap((view) => this.#vertexLines(view, now))];
  }

  #vertexLines(view: VertexView, now: number): string[] {
    const { vertex } = view;
    const running = vertex.completedAt === undefined && vertex.cached !== true && vertex.error === undefined;
    const label = vertex.error !== undefined ? "ERROR " : vertex.cached === true ? "CACHED " : "";
    const time = `${seconds((vertex.completedAt ?? now) - (vertex.startedAt ?? now))}s`;
    const colour = vertex.error !== undefined ? 31 : running ? 0 : 34;
    const line = this.#paint(
      this.#columns(` => ${label}${printableLine(vertex.name)}${missedText(vertex)}`, time),
      colour,
    );
    if (!running) return [line];
    const bars = [...view.statuses.values()].filter((status) => status.completedAt === undefined).slice(0, BARS);
    const tail = this.#output.tail(view).slice(-TAIL);
    return [
      line,
      ...bars.map((status) => this.#columns(` => => ${bar(status)}`, `${seconds(now - status.startedAt)}s`)),
      ...tail.map((text) => this.#paint(this.#columns(` => => # ${text}`, ""), 2)),
    ];
  }

  /** Returns a line with a left text and a right-aligned time. Truncates the text so that the line does not wrap. */
  #columns(left: string, right: string): string {
    const plain = withoutColours(left).replaceAll("\t", "    ");
    const width = Math.max(1, this.#screen.columns - 1);
    const space = width - right.length - 1;
    // Too narrow for both.
    if (right === "" || space < 10) return fitColumns(plain, width);
    const cut = fitColumns(plain, space);
    return `${cut}${" ".repeat(space - displayWidth(cut))} ${right}`;
  }

  #paint(text: string, colour: number): string {
    return colour === 0 || !this.#screen.colours ? text : `\u001b[${colour}m${text}\u001b[0m`;
  }
}

function bar({ id, current, total }: StatusEvent): string {
  if (total === undefined || total <= 0) return `${printableLine(id)} ${current > 0 ? megabytes(current) : ""}`;
  const filled = Math.min(BAR, Math.floor((current / total) * BAR));
  return `[${"#".repeat(filled)}${"-".repeat(BAR - filled)}] ${printableLine(id).slice(0, 24)} ${megabytes(current)} / ${megabytes(total)}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(2)}MB`;
}
