import type { BuildEvent, StatusEvent } from "../../engine/index.ts";
import { printableLine } from "../printable.ts";
import type { Display } from "./display.ts";
import type { Screen } from "./screen.ts";
import { type OutputLine, StepOutput } from "./step-output.ts";
import { type VertexView, Vertices, bytes, missedText, outcome, seconds } from "./vertices.ts";

/** Progress like buildx's `--progress plain`: blocks of lines that begin with the step's number, in order of events. */
export class PlainDisplay implements Display {
  readonly #screen: Screen;
  readonly #vertices = new Vertices();
  readonly #output = new StepOutput();
  readonly #finished = new Set<number>();
  readonly #entered = new Set<number>();
  #current: VertexView | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  event(event: BuildEvent): void {
    const view = this.#vertices.take(event);
    if (event.kind === "warning") this.#warning(event.short, view);
    if (view === undefined) return;
    if (event.kind === "log") this.#log(view, event.data, event.at);
    if (event.kind === "status" && event.completedAt !== undefined) this.#line(view, part(event, event.completedAt));
    if (event.kind === "vertex") this.#vertex(view);
  }

  finish(): void {
    this.#current = undefined;
    for (const view of this.#vertices.failed()) {
      this.#screen.write(this.#output.failure(view, printableLine(view.vertex.name)));
    }
  }

  #vertex(view: VertexView): void {
    const { vertex, number } = view;
    const end = outcome(vertex);
    if (vertex.startedAt === undefined && end === undefined) return;
    if (end === undefined) {
      if (this.#current === undefined) this.#enter(view);
      return;
    }
    if (this.#finished.has(number)) return;
    this.#lines(view, this.#output.end(view));
    this.#enter(view);
    this.#screen.write(`#${number} ${printableLine(end)}\n\n`);
    this.#finished.add(number);
    this.#current = undefined;
    if (vertex.error === undefined) this.#output.drop(view);
  }

  #log(view: VertexView, data: Uint8Array, at: number): void {
    this.#lines(view, this.#output.push(view, data, at));
  }

  #lines(view: VertexView, lines: readonly OutputLine[]): void {
    for (const { text, at } of lines) this.#line(view, `${since(view.vertex.startedAt ?? at, at)} ${text}`);
  }

  #warning(short: string, view: VertexView | undefined): void {
    const text = `WARN: ${printableLine(short)}`;
    if (view === undefined) this.#screen.write(`${text}\n`);
    else this.#line(view, text);
  }

  #line(view: VertexView, safe: string): void {
    this.#enter(view);
    this.#screen.write(`#${view.number} ${safe}\n`);
  }

  #enter(view: VertexView): void {
    if (this.#current === view) return;
    if (this.#current !== undefined) this.#screen.write(`#${this.#current.number} ...\n\n`);
    const missed = this.#entered.has(view.number) ? "" : missedText(view.vertex);
    this.#entered.add(view.number);
    this.#screen.write(`#${view.number} ${printableLine(view.vertex.name)}${missed}\n`);
    this.#current = view;
  }
}

/** Formats the seconds since a step started with four digits, as buildx does. */
function since(start: number, at: number): string {
  const passed = (at - start) / 1000;
  return passed.toFixed(passed < 10 ? 3 : passed < 100 ? 2 : 1);
}

/** Formats a completed status as buildx does: `transferring context: 2.34kB 0.3s done`. */
function part({ id, current, total, startedAt }: StatusEvent, completedAt: number): string {
  const size =
    total !== undefined && total > 0 ? ` ${bytes(current)} / ${bytes(total)}` : current > 0 ? ` ${bytes(current)}` : "";
  const took = completedAt - startedAt;
  return `${printableLine(id)}${size}${took < 10 ? "" : ` ${seconds(took)}s`} done`;
}
