/**
 * The messages of a call. Iterating yields them one by one; `batches` yields those that have arrived together, which takes less time where
 * they are many and small. Read at most once, in one of both ways.
 */
export interface Messages<T> extends AsyncIterable<T> {
  readonly batches: AsyncIterable<readonly T[]>;
}

/** Returns the messages of batches, which `convert` is applied to when they are read. */
export function messagesOf<B, T>(batches: AsyncIterable<readonly B[]>, convert: (message: B) => T): Messages<T> {
  return {
    batches: converted(batches, convert),
    [Symbol.asyncIterator]: () => oneByOne(batches, convert),
  };
}

async function* converted<B, T>(
  batches: AsyncIterable<readonly B[]>,
  convert: (message: B) => T,
): AsyncGenerator<readonly T[]> {
  for await (const batch of batches) yield batch.map((message) => convert(message));
}

async function* oneByOne<B, T>(batches: AsyncIterable<readonly B[]>, convert: (message: B) => T): AsyncGenerator<T> {
  for await (const batch of batches) for (const message of batch) yield convert(message);
}
