/** One way to do a piece of work: Varve, or a peer. */
export interface Contender {
  readonly name: string;
  /** Undoes what an earlier round left, untimed. */
  readonly prepare?: () => Promise<void>;
  readonly run: () => Promise<void>;
}

export interface Scenario {
  readonly name: string;
  readonly rounds: number;
  /** The first is what the others are compared with. */
  readonly contenders: readonly Contender[];
}

export interface Measured {
  readonly name: string;
  /** Milliseconds, one a round. */
  readonly times: readonly number[];
}

/** Times the contenders in turn, round by round, so that what else the machine does falls on all of them alike. */
export async function measure({ rounds, contenders }: Scenario): Promise<Measured[]> {
  const times = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, prepare, run } of contenders) {
      await prepare?.();
      const started = performance.now();
      await run();
      times.get(name)?.push(performance.now() - started);
    }
  }
  return contenders.map(({ name }) => ({ name, times: times.get(name) ?? [] }));
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

/** A scenario's result as lines: median time, and how many times Varve's that is. */
export function report(scenario: Scenario, measured: readonly Measured[]): string {
  const own = median(measured[0]?.times ?? []);
  const lines = measured.map(({ name, times }) => {
    const middle = median(times);
    const spread = `${(Math.min(...times) / 1000).toFixed(2)}–${(Math.max(...times) / 1000).toFixed(2)}`;
    return `  ${name.padEnd(22)} ${(middle / 1000).toFixed(2).padStart(7)} s   ${(middle / own).toFixed(2).padStart(6)} ×   (${spread})`;
  });
  return [`${scenario.name}, median of ${scenario.rounds}`, ...lines].join("\n");
}
