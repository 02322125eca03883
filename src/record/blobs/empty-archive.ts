import type { Bytes } from "../../io/index.ts";

/** Size of an archive without entries: the end marker, two blocks of zeros. */
const EMPTY_SIZE = 1024;

/** The result of `inspectArchive`. Disposing of it closes the source. */
export interface InspectedArchive extends AsyncDisposable {
  /** The archive has no entries. */
  readonly empty: boolean;
  /** The whole archive, including the bytes that were read to inspect it. */
  readonly tar: Bytes;
}

/** Finds out whether an archive has no entries, by reading at most two of its chunks. */
export async function inspectArchive(tar: Bytes): Promise<InspectedArchive> {
  const rest = tar[Symbol.asyncIterator]();
  const close = async (): Promise<void> => void (await rest.return?.());
  const inspected = (empty: boolean, read: readonly Uint8Array[]): InspectedArchive => {
    return { empty, tar: concatenated(read, rest), [Symbol.asyncDispose]: close };
  };
  const first = await rest.next();
  if (first.done === true) return inspected(false, []);
  const read = [first.value];
  if (first.value.byteLength === EMPTY_SIZE && first.value.every((byte) => byte === 0)) {
    const second = await rest.next();
    if (second.done === true) return inspected(true, read);
    read.push(second.value);
  }
  return inspected(false, read);
}

async function* concatenated(read: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* read;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
