import type { ImageConfig } from "../../image/index.ts";

/** One event, as `GET /events` tells it. */
export interface DockerEvent {
  readonly Type: "image" | "builder";
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
  readonly scope: "local";
  /** Unix seconds, and ns as a decimal number that JSON cannot hold exactly. */
  readonly time: number;
  readonly timeNano: bigint;
}

/** Events that are kept for those who ask about the past: as many as the Docker daemon keeps. */
const KEPT = 256;

/** What has happened to the images of a store, by this process. */
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

  /** Tells of an image: the labels of its config are attributes beside the name, as for a daemon's events. */
  image(action: string, ID: string, name: string, config?: ImageConfig): void {
    this.emit("image", action, ID, Object.fromEntries([...(config?.config?.Labels ?? []), ["name", name]]));
  }

  /** Calls `listener` with what comes from now on. */
  listen(listener: (event: DockerEvent) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  past(): readonly DockerEvent[] {
    return [...this.#past];
  }

  /** Later than any before: clients order by it. */
  #now(): { time: number; timeNano: bigint } {
    const now = BigInt(Date.now()) * 1_000_000n;
    this.#last = now > this.#last ? now : this.#last + 1n;
    return { time: Number(this.#last / 1_000_000_000n), timeNano: this.#last };
  }
}
