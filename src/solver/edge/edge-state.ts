import { Level } from "./explore.ts";
import type { EdgeState } from "./nodes.ts";

/** Returns the level that an edge in this state has reached. */
export function levelOf<R>(state: EdgeState<R>): Level {
  switch (state.kind) {
    case "matching":
    case "loading":
      return state.level;
    case "gathering":
    case "executing":
      return Level.slow;
    case "complete":
      return Level.complete;
    case "failed":
      return Level.none;
    case "merged":
      return state.into.level;
  }
}
