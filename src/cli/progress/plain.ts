import type { BuildEvent } from "../../build/index.ts";
import type { Display } from "./display.ts";
import type { Screen } from "./screen.ts";
import { Lines } from "./lines.ts";
import { type VertexView, Vertices, outcome, printable, seconds } from "./vertices.ts";

/** buildx's plain progress: blocks of lines with the step's number, in the order things happen. */
export class PlainDisplay implements Display {
  readonly #screen: Screen;
  readonly #vertices = new Vertices();
  readonly #lines = new Map<number, Lines>();
  readonly #finished = new Set<number>();
  #current: VertexView | undefined;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  event(event: BuildEvent): void {
    const view = this.#vertices.take(event);
    if (event.kind === "warning") this.#warning(event.short, view);
    if (view === undefined) return;
    if (event.kind === "log") this.#log(view, event.data, event.at);
    if (event.kind === "status" && event.completedAt !== undefined)
      this.#line(view, `${event.id} ${seconds(event.completedAt - event.startedAt)}s done`);
    if (event.kind === "vertex") this.#vertex(view);
  }

  finish(): void {
    this.#current = undefined;
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
    for (const line of this.#lines.get(number)?.end() ?? []) this.#line(view, line);
    this.#enter(view);
    this.#screen.write(`#${number} ${printable(end)}\n`);
    this.#finished.add(number);
    this.#current = undefined;
    this.#screen.write("\n");
  }

  #log(view: VertexView, data: Uint8Array, at: number): void {
    const lines = this.#lines.get(view.number) ?? new Lines();
    this.#lines.set(view.number, lines);
    const since = ((at - (view.vertex.startedAt ?? at)) / 1000).toFixed(3);
    for (const line of lines.push(data)) this.#line(view, `${since} ${line}`);
  }

  #warning(short: string, view: VertexView | undefined): void {
    if (view === undefined) this.#screen.write(`WARN: ${printable(short)}\n`);
    else this.#line(view, `WARN: ${short}`);
  }

  #line(view: VertexView, text: string): void {
    this.#enter(view);
    this.#screen.write(`#${view.number} ${printable(text)}\n`);
  }

  #enter(view: VertexView): void {
    if (this.#current === view) return;
    if (this.#current !== undefined) this.#screen.write(`#${this.#current.number} ...\n\n`);
    this.#screen.write(`#${view.number} ${printable(view.vertex.name)}\n`);
    this.#current = view;
  }
}
