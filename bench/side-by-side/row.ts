import type { BenchImage } from "../images.ts";
import { median } from "../measure.ts";
import type { RegistryServer } from "../../testing/registry-server.ts";
import type { Varve } from "../../testing/varve.ts";
import type { Builder, CompleteBuilder } from "./builder.ts";
import type { BuildkitServer } from "./buildkit-builder.ts";

/** What the groups of scenarios share. */
export interface Bench {
  /** Varve's first, then whichever others are here. */
  readonly builders: readonly Builder[];
  /** Varve, and buildkitd asked by buildctl. */
  readonly complete: readonly CompleteBuilder[];
  /** The same buildkitd, asked by buildx. */
  readonly buildx: CompleteBuilder | undefined;
  /** A folder for contexts. Its own root is not that of a builder. */
  readonly varve: Varve;
  readonly registry: RegistryServer;
  /** An image with busybox in the registry, which every builder has. */
  readonly base: string;
  /** Both servers of BuildKit's API and its command, if there is a buildkitd. */
  readonly servers:
    | { readonly buildctl: string; readonly real: BuildkitServer; readonly own: () => Promise<BuildkitServer> }
    | undefined;
  /** Returns Varve's command once more, whose builds a server of its root carries out. The first call starts the server. */
  readonly served: () => Promise<CompleteBuilder>;
  /** Returns an image of 450 MiB in a registry, which the first call makes. */
  readonly image: () => Promise<BenchImage>;
  /** Fewer rounds. */
  readonly isQuick: boolean;
}

/** Measurements of one thing by several builders. */
export interface Row {
  readonly title: string;
  readonly unit: "s" | "ms" | "MB";
  /** By builder, Varve's first. One value a round: milliseconds or bytes. */
  readonly values: ReadonlyMap<string, readonly number[]>;
}

/** One scenario of the table in docs/benchmarks.md. */
export interface Group {
  /** "S4". */
  readonly id: string;
  measure(bench: Bench): AsyncIterable<Row>;
}

export interface Work {
  readonly name: string;
  /** Undoes what an earlier round left. It is not measured. */
  readonly prepare?: () => Promise<unknown>;
  readonly run: () => Promise<unknown>;
}

/** Times the works in turn, round by round, so that what else the machine does falls on all of them alike. */
export async function timed(
  title: string,
  rounds: number,
  works: readonly Work[],
  unit: "s" | "ms" = "s",
): Promise<Row> {
  return await measured({ title, unit }, rounds, works, async ({ run }) => {
    const started = performance.now();
    await run();
    return performance.now() - started;
  });
}

export async function measured<W extends Pick<Work, "name" | "prepare">>(
  row: Pick<Row, "title" | "unit">,
  rounds: number,
  works: readonly W[],
  measure: (work: W) => Promise<number>,
): Promise<Row> {
  const values = new Map<string, number[]>(works.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const work of works) {
      await work.prepare?.();
      values.get(work.name)?.push(await measure(work));
    }
  return { ...row, values };
}

/** Puts Varve's command with a server behind the one without, which comes first. */
export async function withServer<B extends Builder>(
  { served }: Bench,
  [alone, ...others]: readonly B[],
): Promise<(B | CompleteBuilder)[]> {
  return [...(alone === undefined ? [] : [alone]), await served(), ...others];
}

/** Splits a row with both of Varve's commands, alone and with a server, in front: each is compared with the others. */
export function bothCommands({ title, unit, values }: Row): readonly [alone: Row, served: Row] {
  const [alone, served, ...others] = values;
  if (alone === undefined || served === undefined) throw new Error(`${title}: a command of Varve is missing`);
  return [
    { title, unit, values: new Map([alone, ...others]) },
    { title: `${title}, with a server`, unit, values: new Map([served, ...others]) },
  ];
}

/** Number of rounds: the median of few is enough for a look. */
export function roundsOf({ isQuick }: Bench, rounds: number): number {
  return isQuick ? Math.min(3, Math.ceil(rounds / 2)) : rounds;
}

const UNITS = { s: 1000, ms: 1, MB: 1e6 } as const;

/** One line for each builder: the median, the least and the most, and what part of it Varve takes. */
export function describeRow({ title, unit, values }: Row): string {
  const [own = []] = values.values();
  const lines = [...values].map(([name, all]) => {
    const [middle, least, most] = [median(all), Math.min(...all), Math.max(...all)].map((value) => format(value, unit));
    const ratio = all === own ? "" : `varve takes ${(median(own) / median(all)).toFixed(2)} ×`;
    return `  ${name.padEnd(22)} ${`${middle} ${unit}`.padStart(10)}   (${least}–${most})   ${ratio}`;
  });
  return [title, ...lines].join("\n");
}

/** Rows of a table in Markdown: Varve's median, and what part of each other builder's median that is. */
export function markdownTable(rows: readonly Row[]): string {
  const others = [...new Set(rows.flatMap(({ values }) => [...values.keys()].slice(1)))];
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const head = ["scenario", "Varve", ...others.map((name) => `Varve / ${name}`)];
  const body = rows.map(({ title, unit, values }) => {
    const [own = []] = values.values();
    const ratios = others.map((name) => {
      const theirs = values.get(name);
      return theirs === undefined ? "" : (median(own) / median(theirs)).toFixed(2);
    });
    return [title, `${format(median(own), unit)} ${unit}`, ...ratios];
  });
  return [head, head.map(() => "---"), ...body].map(line).join("\n");
}

function format(value: number, unit: Row["unit"]): string {
  return (value / UNITS[unit]).toFixed(unit === "s" ? 2 : 0);
}
