/** How far an edge has got, and how far it is wanted. Numbers, so that they compare. */
export const Level = {
  /** Nothing is known, nothing is wanted. */
  none: 0,
  /** The keys that follow from definitions alone. */
  fast: 1,
  /** Every key that can be had without making the edge itself. */
  slow: 2,
  /** The result. */
  complete: 3,
} as const;
export type Level = (typeof Level)[keyof typeof Level];

export type ContentKind = "none" | "unknown" | "computing" | "absent" | "known";

/** What the exploring of one input is decided by. */
export interface Explored {
  /** How far the input's edge has got. */
  readonly level: Level;
  /** Some key of the input leads to a record of the op. */
  readonly matched: boolean;
  /** Caches are being asked about its keys. */
  readonly busy: boolean;
  readonly content: ContentKind;
}

/** What an edge has to know of one input. */
export interface InputView extends Explored {
  /** Made, digested and loaded, as far as the op asks for it. */
  readonly ready: boolean;
  readonly failed: boolean;
}

/** What to do next about one input: how far to want its edge, and whether to digest its content now. */
export interface InputStep {
  readonly want: Level;
  readonly hash: boolean;
}

/** No key of the input is left that could be found out. */
export function isExhausted(input: Explored): boolean {
  return !input.busy && input.level >= Level.slow && input.content !== "unknown" && input.content !== "computing";
}

/** The next thing that may bring the input another key. */
function nextStep(input: Explored): InputStep {
  if (input.level < Level.fast) return { want: Level.fast, hash: false };
  if (input.busy) return hold(input);
  if (input.level < Level.slow) return { want: Level.slow, hash: false };
  if (input.content !== "unknown" && input.content !== "computing") return hold(input);
  return { want: Level.complete, hash: input.level === Level.complete && input.content === "unknown" };
}

/** Wants no more than what is there, and never a result. */
function hold(input: Explored): InputStep {
  return { want: input.level === Level.complete ? Level.slow : input.level, hash: false };
}

/**
 * Steps that look for keys, for an edge of which `demand` is wanted.
 *
 * For `fast` the inputs' definition keys are enough. Past that there are two phases: inputs that no key has matched yet are
 * looked into first; those with a match are left alone until every other has one too, or has no key left to try.
 */
export function explore(inputs: readonly Explored[], demand: Level): InputStep[] {
  if (demand <= Level.fast) return inputs.map((input) => (input.level < Level.fast ? nextStep(input) : hold(input)));
  const isFirstPhase = inputs.some((input) => !input.matched && !isExhausted(input));
  return inputs.map((input) => {
    const isHeld = input.matched && isFirstPhase && input.level >= Level.fast;
    return isHeld ? hold(input) : nextStep(input);
  });
}
