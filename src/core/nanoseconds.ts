/** Nanoseconds in a second. */
export const NS_PER_SECOND: bigint = 1_000_000_000n;

/**
 * Returns the whole seconds of a time in nanoseconds, rounded down, so that what is left is never negative.
 *
 * @example
 * wholeSeconds(1_500_000_000n); // 1n
 * wholeSeconds(-1n); // -1n
 */
export function wholeSeconds(nanoseconds: bigint): bigint {
  const seconds = nanoseconds / NS_PER_SECOND;
  return seconds * NS_PER_SECOND > nanoseconds ? seconds - 1n : seconds;
}
