import type { BuildEvent } from "../../engine/index.ts";
import type { Display } from "./display.ts";
import type { Screen } from "./screen.ts";

const time = (ms: number | undefined): string | undefined =>
  ms === undefined ? undefined : new Date(ms).toISOString();

/** Prints JSON lines with `vertexes`, `statuses`, `logs` or `warnings`, like buildx's `--progress rawjson`. */
export class RawJsonDisplay implements Display {
  readonly #screen: Screen;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  event(event: BuildEvent): void {
    this.#screen.write(`${JSON.stringify(record(event))}\n`);
  }

  finish(): void {
    // Every event is already written.
  }
}

function record(event: BuildEvent): object {
  switch (event.kind) {
    case "vertex": {
      const { digest, inputs, name, cached, error, startedAt, completedAt, why } = event;
      return {
        vertexes: [
          { digest, inputs, name, started: time(startedAt), completed: time(completedAt), cached, error, why },
        ],
      };
    }
    case "log":
      return {
        logs: [
          {
            vertex: event.vertex,
            stream: event.stream,
            data: Buffer.from(event.data).toString("base64"),
            timestamp: time(event.at),
          },
        ],
      };
    case "status": {
      const { id, vertex, current, total, startedAt, completedAt } = event;
      return {
        statuses: [
          {
            id,
            vertex,
            current,
            total,
            timestamp: time(completedAt ?? Date.now()),
            started: time(startedAt),
            completed: time(completedAt),
          },
        ],
      };
    }
    case "warning": {
      const { vertex, short, detail, url, location } = event;
      return { warnings: [{ vertex, level: 1, short: base64(short), detail: detail.map(base64), url, location }] };
    }
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString("base64");
}
