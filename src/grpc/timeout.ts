const UNITS: ReadonlyMap<string, number> = new Map([
  ["H", 3_600_000],
  ["M", 60_000],
  ["S", 1000],
  ["m", 1],
  ["u", 1e-3],
  ["n", 1e-6],
]);
const MOST_DIGITS = 99_999_999;

/** Reads a value of `grpc-timeout` and returns milliseconds, or undefined if it is malformed. */
export function parseTimeout(text: string): number | undefined {
  const [, digits = "", unit = ""] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  const factor = UNITS.get(unit);
  return factor === undefined ? undefined : Number(digits) * factor;
}

/** Writes milliseconds as a value of `grpc-timeout`. */
export function formatTimeout(milliseconds: number): string {
  const whole = Math.max(1, Math.ceil(milliseconds));
  return whole <= MOST_DIGITS ? `${whole}m` : `${Math.min(Math.ceil(whole / 1000), MOST_DIGITS)}S`;
}
