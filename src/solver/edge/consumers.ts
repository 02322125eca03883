import { Level } from "./explore.ts";
import type { Consumer, EdgeNode } from "./nodes.ts";

/** The consumers of an edge, and the level that each of them requires. */
export class Consumers {
  readonly #levels = new Map<Consumer, Level>();

  set(consumer: Consumer, level: Level): void {
    if (level === Level.none) this.#levels.delete(consumer);
    else this.#levels.set(consumer, level);
  }

  /** The highest level that a consumer requires. */
  demand(): Level {
    let demand: Level = Level.none;
    for (const level of this.#levels.values()) if (level > demand) demand = level;
    return demand;
  }

  wake(): void {
    for (const consumer of this.#levels.keys()) consumer.wake();
  }

  /** Lets another edge serve all consumers from now on. */
  moveTo<R>(edge: EdgeNode<R>): void {
    for (const [consumer, level] of this.#levels) edge.require(consumer, level);
    this.wake();
    this.#levels.clear();
  }
}
