interface Times {
  readonly name?: string;
  readonly started?: string | null;
  readonly completed?: string | null;
}

/**
 * Milliseconds from the start of the first vertex to the end of the last, of progress in raw JSON as buildx prints it. `named`: only of the
 * vertices with such names.
 */
export function vertexTime(output: string, named: RegExp = /^/): number {
  const lines = output.split("\n").filter((line) => line.startsWith("{"));
  const times = lines
    .flatMap((line): Times[] => (JSON.parse(line) as { vertexes?: Times[] }).vertexes ?? [])
    .filter(({ name = "" }) => named.test(name));
  const at = (time: string | null | undefined): number[] => (time ? [Date.parse(time)] : []);
  return (
    Math.max(...times.flatMap(({ completed }) => at(completed))) -
    Math.min(...times.flatMap(({ started }) => at(started)))
  );
}
