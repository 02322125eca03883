import type { BuildEvent } from "../../build/index.ts";
import type { Display } from "./display.ts";
import type { Screen } from "./screen.ts";
import { printable } from "./vertices.ts";

/** Says nothing but what a failed step printed. */
export class QuietDisplay implements Display {
  readonly #screen: Screen;
  readonly #output = new Map<string, Buffer[]>();

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  event(event: BuildEvent): void {
    if (event.kind === "log") {
      const kept = this.#output.get(event.vertex) ?? [];
      this.#output.set(event.vertex, [...kept.slice(-64), Buffer.from(event.data)]);
    }
    if (event.kind !== "vertex" || event.error === undefined) return;
    this.#screen.write(printable(Buffer.concat(this.#output.get(event.digest) ?? []).toString()));
    this.#output.delete(event.digest);
  }

  finish(): void {
    this.#output.clear();
  }
}
