import type { EdgeNode } from "./nodes.ts";

/** Calls `step` of the edges that were woken, in order. An edge that was woken several times before its step is stepped once. */
export class StepQueue<R> {
  readonly #waiting = new Set<EdgeNode<R>>();
  #isScheduled = false;

  /** Queues an edge. The queue is flushed in the next microtask. */
  add(edge: EdgeNode<R>): void {
    this.#waiting.add(edge);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.flush());
  }

  /** Steps edges until the queue is empty. */
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
