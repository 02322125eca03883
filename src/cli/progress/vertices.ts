import { printableLine } from "../printable.ts";
import type { BuildEvent, StatusEvent, VertexEvent } from "../../engine/index.ts";

/** The latest state of a vertex, and its number in order of appearance. */
export interface VertexView {
  readonly number: number;
  vertex: VertexEvent;
  readonly statuses: Map<string, StatusEvent>;
}

/** Follows the events of a build and numbers its vertices. */
export class Vertices {
  readonly #byDigest = new Map<string, VertexView>();

  /** Applies an event. Returns its vertex; undefined if the event has none, or the vertex has not started. */
  take(event: BuildEvent): VertexView | undefined {
    // A source whose key is known may still have to be fetched.
    if (event.kind === "vertex") return event.resolved === true ? undefined : this.#vertex(event);
    const view = event.vertex === undefined ? undefined : this.#byDigest.get(event.vertex);
    if (event.kind === "status") view?.statuses.set(event.id, event);
    return view;
  }

  /** Returns the vertices that have started, in order of appearance. */
  started(): VertexView[] {
    return [...this.#byDigest.values()].filter((view) => view.vertex.startedAt !== undefined);
  }

  /** Returns the vertices that failed, without those that were cancelled. */
  failed(): VertexView[] {
    return [...this.#byDigest.values()].filter(({ vertex }) => outcome(vertex)?.startsWith("ERROR") === true);
  }

  get size(): number {
    return this.#byDigest.size;
  }

  #vertex(event: VertexEvent): VertexView | undefined {
    const known = this.#byDigest.get(event.digest);
    if (known === undefined && event.startedAt === undefined) return undefined;
    if (known !== undefined) {
      known.vertex = { ...known.vertex, ...event };
      return known;
    }
    const view = { number: this.#byDigest.size + 1, vertex: event, statuses: new Map<string, StatusEvent>() };
    this.#byDigest.set(event.digest, view);
    return view;
  }
}

/** Returns why a vertex runs, to show after its name: `   missed: package.json changed`. Empty if there is nothing to say. */
export function missedText({ why }: VertexEvent): string {
  return why === undefined || why.text === "" ? "" : `   missed: ${printableLine(why.text)}`;
}

/** Formats ms as seconds with one decimal, as buildx prints them. */
export function seconds(ms: number): string {
  return (Math.max(0, ms) / 1000).toFixed(1);
}

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const;

/** Formats a number of bytes as buildx prints it: `573B`, `2.34kB`. */
export function bytes(count: number): string {
  const power = count < 1000 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  return `${power === 0 ? count : (count / 1000 ** power).toFixed(2)}${UNITS[power] ?? ""}`;
}

/** Returns the outcome of a finished vertex, as buildx prints it: `CACHED`, `DONE 1.2s`, `ERROR: …`, `CANCELED`. */
export function outcome(vertex: VertexEvent): string | undefined {
  if (vertex.error !== undefined) return vertex.cancelled === true ? "CANCELED" : `ERROR: ${vertex.error}`;
  if (vertex.cached === true) return "CACHED";
  if (vertex.completedAt === undefined) return undefined;
  return `DONE ${seconds(vertex.completedAt - (vertex.startedAt ?? vertex.completedAt))}s`;
}
