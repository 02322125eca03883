import { type Timestamp, timestampFromMs } from "./messages.ts";
import type { VertexMessage } from "./messages.ts";
import { CANCELLED } from "./convert.ts";

/** How many vertices a build has, and how many of them were cached or have completed. */
export interface VertexCounts {
  readonly total: number;
  readonly cached: number;
  readonly completed: number;
}

interface State {
  message: VertexMessage;
  wasCached: boolean;
  wasCompleted: boolean;
  /** It was reported as cached because a dependent started. Its later states are sent as they are. */
  isSettled: boolean;
}

/**
 * Follows the states of vertices, and adds the states that clients expect: an input that never completed is cached when a vertex that
 * depends on it starts, and nothing is left running when the build ends.
 *
 * @see moby/buildkit solver/progress.go
 */
export class VertexStates {
  readonly #states = new Map<string, State>();
  readonly #cached = new Set<string>();

  has(vertex: string): boolean {
    return this.#states.has(vertex);
  }

  get counts(): VertexCounts {
    const states = [...this.#states.values()];
    return {
      total: states.length,
      cached: states.filter(({ wasCached }) => wasCached).length,
      completed: states.filter(({ wasCompleted }) => wasCompleted).length,
    };
  }

  /** Applies the new state of a vertex. Returns the states to send, which are those of its inputs and its own. */
  apply(message: VertexMessage): VertexMessage[] {
    this.#set(message);
    const { started } = message;
    const inputs = started === undefined ? [] : message.inputs.flatMap((input) => this.#cachedInput(input, started));
    if (message.cached) this.#markCached(message.digest);
    return [...inputs, message];
  }

  /** Returns the last states of vertices that have started and not completed. */
  end(now: number = Date.now()): VertexMessage[] {
    return [...this.#states.values()].flatMap((state) => {
      const { message, isSettled } = state;
      if (isSettled || message.started === undefined || message.completed !== undefined) return [];
      const isKnown = this.#cached.has(message.digest) || message.error !== "";
      state.message = { ...message, completed: timestampFromMs(now), error: isKnown ? message.error : CANCELLED };
      state.wasCompleted = true;
      return [state.message];
    });
  }

  #set(message: VertexMessage): void {
    const known = this.#states.get(message.digest);
    this.#states.set(message.digest, {
      message,
      wasCached: known?.wasCached === true || message.cached,
      wasCompleted: known?.wasCompleted === true || message.completed !== undefined,
      isSettled: false,
    });
  }

  #cachedInput(input: string, started: Timestamp): VertexMessage[] {
    const state = this.#states.get(input);
    if (state === undefined || state.isSettled || state.message.cached || state.message.completed !== undefined)
      return [];
    const sent = this.apply({ ...state.message, cached: true, started, completed: started });
    const settled = this.#states.get(input);
    if (settled !== undefined) settled.isSettled = true;
    return sent;
  }

  /** Marks a vertex and everything that it depends on as cached. */
  #markCached(digest: string): void {
    const waiting = [digest];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (this.#cached.has(next)) continue;
      this.#cached.add(next);
      waiting.push(...(this.#states.get(next)?.message.inputs ?? []));
    }
  }
}
