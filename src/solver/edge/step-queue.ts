import type { EdgeNode } from "./nodes.ts";

/** Steps the edges that were woken, in order, each once however often it was woken meanwhile. */
export class StepQueue<R> {
  readonly #waiting = new Set<EdgeNode<R>>();
  #isScheduled = false;

  add(edge: EdgeNode<R>): void {
    this.#waiting.add(edge);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.flush());
  }

  /** Steps until nothing is waiting. */
  flush(): void {
    for (const edge of this.#waiting) {
      this.#waiting.delete(edge);
      try {
        edge.step();
      } catch (error) {
        edge.fail(error);
      }
    }
    this.#isScheduled = false;
  }
}
