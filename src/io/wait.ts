/**
 * A wait for another machine, which is at its try `attempt` of at most `attempts`. `ms` is milliseconds.
 * - `quiet`: nothing has come for so long; `pause`: the next try is made after so long.
 */
export interface Wait {
  readonly state: "quiet" | "pause";
  readonly host: string;
  readonly ms: number;
  readonly attempt: number;
  readonly attempts: number;
}

/** Told while a wait lasts. Nothing in a wait is secret. */
export type OnWait = (wait: Wait) => void;

/** Milliseconds of silence before it is first told of. */
export const FIRST_NOTICE = 5000;

/** A wait in one line for people. */
export function describeWait({ state, host, ms, attempt, attempts }: Wait): string {
  const seconds = `${Math.round(ms / 100) / 10} s`;
  const why = state === "quiet" ? `no answer for ${seconds}` : `${seconds} until the next try`;
  const which = attempts === 1 ? "" : ` (try ${attempt} of ${attempts})`;
  return `waiting for ${host}: ${why}${which}`;
}

/**
 * Waits for `work`, and tells how long it has lasted: after `first` milliseconds, and then each time it has lasted twice as long as
 * it had at the time before.
 */
export async function tellQuiet<T>(
  work: Promise<T>,
  tell: ((ms: number) => void) | undefined,
  first: number = FIRST_NOTICE,
): Promise<T> {
  if (tell === undefined) return await work;
  let ms = first;
  const onTime = (): void => {
    tell(ms);
    timer = setTimeout(onTime, ms).unref();
    ms *= 2;
  };
  let timer = setTimeout(onTime, ms).unref();
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}
