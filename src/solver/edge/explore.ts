/** How far an edge has come, and how far its consumers require it. Levels are numbers, so that they can be compared. */
export const Level = {
  /** Nothing is known or required. */
  none: 0,
  /** The definition keys. */
  fast: 1,
  /** Every key that can be computed without the edge's own result. */
  slow: 2,
  /** The result. */
  complete: 3,
} as const;
export type Level = (typeof Level)[keyof typeof Level];

export type ContentKind = "none" | "unknown" | "computing" | "absent" | "known";

/** The facts about one input that decide how it is explored. */
export interface Explored {
  /** The level that the input's edge has reached. */
  readonly level: Level;
  /** A key of the input leads to a record of the op. */
  readonly matched: boolean;
  /** Lookups of its keys are running. */
  readonly busy: boolean;
  readonly content: ContentKind;
}

/** The facts about one input that an edge needs. */
export interface InputView extends Explored {
  /** The input has a result, and the op's `content` and `preload` functions have run on it. */
  readonly ready: boolean;
  readonly failed: boolean;
}

/** The next step for one input: the level to require of its edge, and whether to digest its content now. */
export interface InputStep {
  readonly level: Level;
  readonly hash: boolean;
}

/** True if the input cannot get any further key. */
export function isExhausted(input: Explored): boolean {
  return !input.busy && input.level >= Level.slow && input.content !== "unknown" && input.content !== "computing";
}

/** Returns the step that may give the input another key. */
function nextStep(input: Explored): InputStep {
  if (input.level < Level.fast) return { level: Level.fast, hash: false };
  if (input.busy) return hold(input);
  if (input.level < Level.slow) return { level: Level.slow, hash: false };
  if (input.content !== "unknown" && input.content !== "computing") return hold(input);
  return { level: Level.complete, hash: input.level === Level.complete && input.content === "unknown" };
}

/** Requires the level that the input has reached already, but never a result. */
function hold(input: Explored): InputStep {
  return { level: input.level === Level.complete ? Level.slow : input.level, hash: false };
}

/**
 * Returns the next step for each input of an edge whose consumers require the level `demand`.
 *
 * For `fast`, the definition keys of the inputs are enough. Above that there are two phases. The first explores only the inputs
 * that have no match yet; an input with a match waits until every other input has a match or is exhausted. The second
 * explores all inputs.
 */
export function explore(inputs: readonly Explored[], demand: Level): InputStep[] {
  if (demand <= Level.fast) return inputs.map((input) => (input.level < Level.fast ? nextStep(input) : hold(input)));
  const isFirstPhase = inputs.some((input) => !input.matched && !isExhausted(input));
  return inputs.map((input) => {
    const isHeld = input.matched && isFirstPhase && input.level >= Level.fast;
    return isHeld ? hold(input) : nextStep(input);
  });
}
