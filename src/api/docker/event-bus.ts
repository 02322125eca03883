import { wholeSeconds } from "../../core/index.ts";
import type { ImageConfig } from "../../image/index.ts";

/** One event of `GET /events`. */
export interface DockerEvent {
  readonly Type: "image" | "builder";
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: "local";
  /** Unix time in seconds. */
  readonly time: number;
  /** Unix time in ns, which a JavaScript number cannot hold exactly. */
  readonly timeNano: bigint;
}

/** Number of past events that are kept for `GET /events?since=…`: the same as in the Docker daemon. */
const KEPT = 256;

/** Distributes this process's events, and keeps the latest ones. */
export class EventBus {
  readonly #past: DockerEvent[] = [];
  readonly #listeners = new Set<(event: DockerEvent) => void>();
  #last = 0n;

  emit(Type: DockerEvent["Type"], Action: string, ID: string, Attributes: Readonly<Record<string, string>> = {}): void {
    const event = { Type, Action, Actor: { ID, Attributes }, scope: "local" as const, ...this.#now() };
    this.#past.push(event);
    if (this.#past.length > KEPT) this.#past.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Emits an event about an image. Its attributes are the name and the config's labels, as in Docker. */
  image(action: string, ID: string, name: string, config?: ImageConfig): void {
    this.emit("image", action, ID, Object.fromEntries([...(config?.config?.Labels ?? []), ["name", name]]));
  }

  /** Calls `listener` with each new event until the result is disposed of. */
  listen(listener: (event: DockerEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  past(): readonly DockerEvent[] {
    return [...this.#past];
  }

  /** Returns the current time, but always later than the previous event, because clients sort by it. */
  #now(): { time: number; timeNano: bigint } {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#last = now > this.#last ? now : this.#last + 1n;
    return { time: Number(wholeSeconds(this.#last)), timeNano: this.#last };
  }
}
