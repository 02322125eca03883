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

/** Returns a function that reports milliseconds of silence of a host that is asked once; undefined if nobody is told. */
export function quietReporter(onWait: OnWait | undefined, host: string): ((ms: number) => void) | undefined {
  return onWait && ((ms) => onWait({ state: "quiet", host, ms, attempt: 1, attempts: 1 }));
}

/** Reports silence: after `first` milliseconds, and then each time its duration has doubled. Does not keep the process alive. */
export class SilenceTimer implements Disposable {
  readonly #tell: (ms: number) => void;
  readonly #first: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (ms: number) => void, first: number = FIRST_NOTICE) {
    this.#tell = tell;
    this.#first = first;
    this.restart();
  }

  /** Something has come: the silence begins again. */
  restart(): void {
    this.#wait(this.#first, this.#first);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #wait(after: number, total: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#tell(total);
      this.#wait(total, 2 * total);
    }, after).unref();
  }
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
  using _timer = new SilenceTimer(tell, first);
  return await work;
}
