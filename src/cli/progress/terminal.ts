import type { BuildEvent, StatusEvent } from "../../build/index.ts";
import type { Display } from "./display.ts";
import type { Screen } from "./screen.ts";
import { Lines } from "./lines.ts";
import { type VertexView, Vertices, printable, seconds } from "./vertices.ts";

const REFRESH_MS = 100;
/** Lines of output shown under a running step. */
const TAIL = 6;
/** Lines of output shown for a step that failed. */
const FAILED_TAIL = 40;
const BAR = 20;

interface Output {
  readonly lines: Lines;
  readonly tail: string[];
}

/** A terminal's progress: one line a step with its time, bars for what has a size, the last lines of what a step prints. */
export class TerminalDisplay implements Display {
  readonly #screen: Screen;
  readonly #vertices = new Vertices();
  readonly #output = new Map<number, Output>();
  readonly #warnings: string[] = [];
  readonly #started = Date.now();
  readonly #timer: NodeJS.Timeout;
  #drawn = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
    this.#timer = setInterval(() => this.#draw(false), REFRESH_MS);
    this.#timer.unref();
    this.#screen.write("\u001b[?25l");
  }

  event(event: BuildEvent): void {
    const view = this.#vertices.take(event);
    if (event.kind === "warning") this.#warnings.push(event.short);
    if (event.kind === "log" && view !== undefined) this.#log(view, event.data);
  }

  finish(): void {
    clearInterval(this.#timer);
    this.#draw(true);
    for (const view of this.#vertices.started()) if (view.vertex.error !== undefined) this.#failed(view);
    for (const warning of this.#warnings) this.#screen.write(`\u001b[33mWARN:\u001b[0m ${printable(warning)}\n`);
    this.#screen.write("\u001b[?25h");
  }

  #log(view: VertexView, data: Uint8Array): void {
    const output = this.#output.get(view.number) ?? { lines: new Lines(), tail: [] };
    this.#output.set(view.number, output);
    output.tail.push(...output.lines.push(data).map(printable));
    output.tail.splice(0, Math.max(0, output.tail.length - FAILED_TAIL));
  }

  #failed(view: VertexView): void {
    const output = this.#output.get(view.number);
    if (output === undefined) return;
    output.tail.push(...output.lines.end().map(printable));
    this.#screen.write(`------\n > ${printable(view.vertex.name)}:\n${output.tail.join("\n")}\n------\n`);
  }

  #draw(last: boolean): void {
    const lines = this.#lines(last);
    const room = Math.max(3, this.#screen.rows - 1);
    const [head = "", ...rest] = lines;
    const shown = last || lines.length <= room ? lines : [head, ...rest.slice(-(room - 1))];
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : "";
    this.#screen.write(`${up}\u001b[0J${shown.join("\n")}\n`);
    this.#drawn = last ? 0 : shown.length;
  }

  #lines(last: boolean): string[] {
    const started = this.#vertices.started();
    const done = started.filter((view) => view.vertex.completedAt !== undefined || view.vertex.cached === true).length;
    const now = Date.now();
    const word = last ? "Built" : "Building";
    const header = `[+] ${word} ${seconds(now - this.#started)}s (${done}/${this.#vertices.size})`;
    return [header, ...started.flatMap((view) => this.#vertexLines(view, now))];
  }

  #vertexLines(view: VertexView, now: number): string[] {
    const { vertex } = view;
    const running = vertex.completedAt === undefined && vertex.cached !== true && vertex.error === undefined;
    const label = vertex.error !== undefined ? "ERROR " : vertex.cached === true ? "CACHED " : "";
    const time = `${seconds((vertex.completedAt ?? now) - (vertex.startedAt ?? now))}s`;
    const colour = vertex.error !== undefined ? 31 : running ? 0 : 34;
    const line = paint(this.#columns(` => ${label}${printable(vertex.name)}`, time), colour);
    if (!running) return [line];
    const bars = [...view.statuses.values()].filter((status) => status.completedAt === undefined).slice(0, 8);
    const tail = this.#output.get(view.number)?.tail.slice(-TAIL) ?? [];
    return [
      line,
      ...bars.map((status) => this.#columns(` => => ${bar(status)}`, `${seconds(now - status.startedAt)}s`)),
      ...tail.map((text) => paint(this.#columns(` => => # ${text}`, ""), 2)),
    ];
  }

  /** Left text, right-aligned time, cut to the width so that no line wraps. */
  #columns(left: string, right: string): string {
    // oxlint-disable-next-line no-control-regex -- colours take no columns
    const plain = left.replace(/\u001b\[[0-9;]*m/g, "").replaceAll("\t", "    ");
    const width = Math.max(10, this.#screen.columns - 1);
    const space = width - right.length - 1;
    const cut = plain.length > space ? `${plain.slice(0, Math.max(0, space - 1))}…` : plain;
    return right === "" ? cut : `${cut.padEnd(space)} ${right}`;
  }
}

function paint(text: string, colour: number): string {
  return colour === 0 ? text : `\u001b[${colour}m${text}\u001b[0m`;
}

function bar({ id, current, total }: StatusEvent): string {
  if (total === undefined || total <= 0) return `${printable(id)} ${current > 0 ? megabytes(current) : ""}`;
  const filled = Math.min(BAR, Math.floor((current / total) * BAR));
  return `[${"#".repeat(filled)}${"-".repeat(BAR - filled)}] ${printable(id).slice(0, 24)} ${megabytes(current)} / ${megabytes(total)}`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(2)}MB`;
}
