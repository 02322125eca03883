import type { Bytes } from "../../io/index.ts";

/** An archive without entries is its end alone: two blocks of zeros. */
const END = 1024;

/** An archive whose beginning was read: all of its bytes, and whether it has no entries. Disposal lets its source go. */
export interface SeenArchive extends AsyncDisposable {
  readonly empty: boolean;
  readonly tar: Bytes;
}

/** Finds out whether an archive has no entries, as the layers of most steps that only look at something. */
export async function seenArchive(tar: Bytes): Promise<SeenArchive> {
  const rest = tar[Symbol.asyncIterator]();
  const close = async (): Promise<void> => void (await rest.return?.());
  const seenAs = (empty: boolean, bytes: Bytes): SeenArchive => ({ empty, tar: bytes, [Symbol.asyncDispose]: close });
  const first = await rest.next();
  if (first.done === true) return seenAs(false, joined([], rest));
  const seen = [first.value];
  if (first.value.byteLength === END && first.value.every((byte) => byte === 0)) {
    const second = await rest.next();
    if (second.done === true) return seenAs(true, joined(seen, rest));
    seen.push(second.value);
  }
  return seenAs(false, joined(seen, rest));
}

async function* joined(seen: readonly Uint8Array[], rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* seen;
    for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}
