import type { Digest } from "../../core/index.ts";
import type { BuildEvent } from "../../engine/index.ts";

type VertexEvent = Extract<BuildEvent, { readonly kind: "vertex" }>;

export type VertexState = "pending" | "started" | "cached" | "done";

/**
 * The states of a build's vertices. The engine does not report vertices that nothing asks for because a later one is cached. They
 * count as cached as soon as a vertex that depends on them begins.
 */
export class Vertices {
  readonly #states = new Map<Digest, VertexState>();
  readonly #inputs = new Map<Digest, readonly Digest[]>();

  stateOf(digest: Digest): VertexState {
    return this.#states.get(digest) ?? "pending";
  }

  update(event: VertexEvent): void {
    const { digest, inputs } = event;
    this.#inputs.set(digest, inputs);
    const state = stateOf(event);
    if (state === "pending" || isSettled(this.stateOf(digest))) return;
    this.#states.set(digest, state);
    if (!inputs.every((input) => isSettled(this.stateOf(input)))) this.#settle(inputs);
  }

  /** Settles vertices and all that they depend on. */
  #settle(digests: readonly Digest[]): void {
    const open = [...digests];
    for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
      const state = this.stateOf(digest);
      if (isSettled(state)) continue;
      this.#states.set(digest, state === "pending" ? "cached" : "done");
      open.push(...(this.#inputs.get(digest) ?? []));
    }
  }
}

function isSettled(state: VertexState): boolean {
  return state === "cached" || state === "done";
}

/** A source whose key is known is not done: it starts again if its files are needed. */
function stateOf({ startedAt, completedAt, resolved, cached, error }: VertexEvent): VertexState {
  if (startedAt === undefined || error !== undefined) return startedAt === undefined ? "pending" : "started";
  if (completedAt === undefined || resolved === true) return "started";
  return cached === true ? "cached" : "done";
}
