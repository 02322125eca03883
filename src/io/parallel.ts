import { throwIfAborted } from "../core/index.ts";

/**
 * Runs `work` for all items concurrently and waits until every run has ended. The first failure cancels the other runs; it is thrown
 * after they have ended, so that none continues in the background. `work` itself bounds the concurrency.
 */
export async function inParallel<T, R>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const cancel = new AbortController();
  const both = signal === undefined ? cancel.signal : AbortSignal.any([signal, cancel.signal]);
  let first: { readonly error: unknown } | undefined;
  const attempt = async (item: T): Promise<R> => {
    try {
      return await work(item, both);
    } catch (error) {
      first ??= { error };
      cancel.abort(error);
      throw error;
    }
  };
  const settled = await Promise.allSettled(items.map(attempt));
  throwIfAborted(signal, "go on");
  if (first !== undefined) throw first.error;
  return settled.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
}
