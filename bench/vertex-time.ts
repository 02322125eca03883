interface Times {
  readonly started?: string | null;
  readonly completed?: string | null;
}

/** Milliseconds from the start of the first vertex to the end of the last, of progress in raw JSON as buildx prints it. */
export function vertexTime(output: string): number {
  const lines = output.split("\n").filter((line) => line.startsWith("{"));
  const times = lines.flatMap((line): Times[] => (JSON.parse(line) as { vertexes?: Times[] }).vertexes ?? []);
  const at = (time: string | null | undefined): number[] => (time ? [Date.parse(time)] : []);
  return (
    Math.max(...times.flatMap(({ completed }) => at(completed))) -
    Math.min(...times.flatMap(({ started }) => at(started)))
  );
}
