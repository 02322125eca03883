/**
 * A wait for another machine, in attempt `attempt` of at most `attempts`. `ms` is in milliseconds.
 * - `quiet`: no data has come for `ms`; `pause`: the next attempt starts after `ms`.
 */
export interface Wait {
  readonly state: "quiet" | "pause";
  readonly host: string;
  readonly ms: number;
  readonly attempt: number;
  readonly attempts: number;
}

/** Called during a wait. A wait contains no secrets. */
export type OnWait = (wait: Wait) => void;

/** Milliseconds of silence before the first report. */
export const FIRST_NOTICE = 5000;

/** Formats a wait as one line of text. */
export function describeWait({ state, host, ms, attempt, attempts }: Wait): string {
  const seconds = `${Math.round(ms / 100) / 10} s`;
  const why = state === "quiet" ? `no answer for ${seconds}` : `${seconds} until the next try`;
  const which = attempts === 1 ? "" : ` (try ${attempt} of ${attempts})`;
  return `waiting for ${host}: ${why}${which}`;
}

/**
 * Waits for `work` and reports how long it has taken: after `first` milliseconds, and then each time the duration has doubled.
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
