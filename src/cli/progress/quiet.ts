import type { BuildEvent } from "../../engine/index.ts";
import type { Display } from "./display.ts";
import type { Screen } from "./screen.ts";
import { StepOutput } from "./step-output.ts";
import { Vertices } from "./vertices.ts";

/** Prints only the last output of failed steps. */
export class QuietDisplay implements Display {
  readonly #screen: Screen;
  readonly #vertices = new Vertices();
  readonly #output = new StepOutput();

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  event(event: BuildEvent): void {
    const view = this.#vertices.take(event);
    if (view === undefined) return;
    if (event.kind === "log") this.#output.push(view, event.data, event.at);
    if (event.kind !== "vertex") return;
    if (event.error !== undefined) {
      this.#output.end(view);
      this.#screen.write(
        this.#output
          .tail(view)
          .map((line) => `${line}\n`)
          .join(""),
      );
    }
    if (event.error !== undefined || event.completedAt !== undefined) this.#output.drop(view);
  }

  finish(): void {
    // The output of failed steps is already printed.
  }
}
