/** Whether all generated cases are tried: `npm run test:full`. */
const FULL = process.env["VARVE_TEST_FULL"] === "1";

/** Every `nth` of some generated cases, or all of them in a full run. The order of the cases decides which are taken. */
export function sampled<T>(cases: readonly T[], nth = 3): readonly T[] {
  return FULL ? cases : cases.filter((_, index) => index % nth === 0);
}

/** How many cases to generate: a few in a usual run, all in a full one, or as many times the usual number as `VARVE_TEST_RUNS` says. */
export function generatedRuns(usual: number, full: number): number {
  return FULL ? full : Math.ceil(usual * Number(process.env["VARVE_TEST_RUNS"] ?? 1));
}
