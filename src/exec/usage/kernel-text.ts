/** A share of time in percent as averages over 10, 60 and 300 seconds, and the whole time in microseconds. */
export type PressureValues = Readonly<Record<string, number>>;

/** How much some task, and all tasks, have waited: Documentation/accounting/psi.rst of Linux. */
export type Pressure = Readonly<Record<"some" | "full", PressureValues>>;

/** The words of each line, by the first. */
export function linesOf(text: string): ReadonlyMap<string, readonly string[]> {
  const lines = text.split("\n").map((line) => line.trim().split(/\s+/));
  return new Map(lines.flatMap(([first = "", ...rest]) => (first === "" ? [] : [[first, rest]])));
}

/** Parses `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same for `full`. Returns undefined for no text. */
export function pressureOf(text: string): Pressure | undefined {
  const lines = linesOf(text);
  if (lines.size === 0) return undefined;
  const values = (key: string): PressureValues => pairsOf(lines.get(key) ?? []);
  return { some: values("some"), full: values("full") };
}

/** Parses `name=number` words. Others are left out. */
export function pairsOf(words: readonly string[]): Readonly<Record<string, number>> {
  const pairs = words.map((word) => word.split("=", 2));
  return Object.fromEntries(
    pairs.flatMap(([name = "", value = ""]) => (/^[\d.]+$/.test(value) ? [[name, Number(value)]] : [])),
  );
}
