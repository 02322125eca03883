import { type InflateRaw, crc32, createInflateRaw } from "node:zlib";
import { VarveError } from "../../core/index.ts";
import { ByteQueue } from "../byte-queue.ts";
import type { Bytes, Named } from "../bytes.ts";

const CHUNK = 262_144;
const TRAILER = 8;
/** Bytes of a name or comment in a member's header. */
const HEADER_TEXT = 65_536;
const FLAG = { headerCrc: 2, extra: 4, name: 8, comment: 16, reserved: 0xe0 } as const;

/**
 * Decompresses gzip (RFC 1952), one member or several, and yields everything before a truncation or damage: Node's own
 * decoder loses what it had decompressed of the same chunk. Bytes after the last member are ignored, as by gzip(1). Each member has its own
 * decoder, so that many small members are slow.
 *
 * @throws {VarveError} `corrupt`
 */
export async function* gunzipMembers(source: Bytes, { what }: Named): AsyncGenerator<Uint8Array> {
  const input = new ByteQueue(source);
  const corrupt: Corrupt = (state, cause) =>
    new VarveError("corrupt", `Cannot decompress ${what}: ${state}`, { cause });
  try {
    do {
      await readHeader(input, corrupt);
      yield* inflate(input, corrupt);
    } while (isMagic(await input.peek(2)));
  } finally {
    await input.close();
  }
}

type Corrupt = (state: string, cause?: unknown) => VarveError;

function isMagic(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

async function readHeader(input: ByteQueue, corrupt: Corrupt): Promise<void> {
  const take = async (size: number): Promise<Buffer> => {
    const bytes = await input.take(size);
    if (bytes.length < size) throw corrupt("it is cut short");
    return bytes;
  };
  const skipText = async (): Promise<void> => {
    for (let size = 0; (await take(1))[0] !== 0; size += 1)
      if (size > HEADER_TEXT) throw corrupt("its header is wrong");
  };
  const fixed = await take(10);
  const flags = fixed.readUInt8(3);
  if (!isMagic(fixed) || fixed[2] !== 8 || (flags & FLAG.reserved) !== 0) throw corrupt("its header is wrong");
  if ((flags & FLAG.extra) !== 0) await take((await take(2)).readUInt16LE());
  if ((flags & FLAG.name) !== 0) await skipText();
  if ((flags & FLAG.comment) !== 0) await skipText();
  if ((flags & FLAG.headerCrc) !== 0) await take(2);
}

/** Yields the contents of a member and verifies its length and checksum. */
async function* inflate(input: ByteQueue, corrupt: Corrupt): AsyncGenerator<Uint8Array> {
  let [sum, size] = [0, 0];
  for await (const piece of inflateRaw(input, corrupt)) {
    sum = crc32(piece, sum);
    size += piece.byteLength;
    yield piece;
  }
  const trailer = await input.take(TRAILER);
  if (trailer.length < TRAILER) throw corrupt("it is cut short");
  if (trailer.readUInt32LE(0) !== sum) throw corrupt("its checksum is wrong");
  if (trailer.readUInt32LE(4) !== size % 2 ** 32) throw corrupt("its length is wrong");
}

/** Consumes exactly the bytes of one deflate stream. */
async function* inflateRaw(input: ByteQueue, corrupt: Corrupt): AsyncGenerator<Uint8Array> {
  const decoder = createInflateRaw({ chunkSize: CHUNK });
  const state: { written: boolean; failure?: Error | undefined } = { written: false };
  let wake = (): void => undefined;
  decoder.on("readable", () => wake());
  decoder.on("error", (failure) => {
    state.failure = failure;
    wake();
  });
  const written = (): void => {
    state.written = true;
    wake();
  };
  try {
    for (let fed = 0; decoder.bytesWritten === fed;) {
      const chunk = await input.next();
      if (chunk === undefined) throw corrupt("it is cut short");
      state.written = false;
      decoder.write(chunk, written);
      while (!state.written && state.failure === undefined) {
        // oxlint-disable-next-line promise/avoid-new -- woken by whichever event comes first
        await new Promise<void>((resolve) => (wake = resolve));
        for (let piece = pieceOf(decoder); piece !== undefined; piece = pieceOf(decoder)) yield piece;
      }
      if (state.failure !== undefined) throw corrupt("its data is damaged", state.failure);
      fed += chunk.length;
      // The decoder consumes nothing after the end of its stream.
      input.unread(chunk.subarray(chunk.length - (fed - decoder.bytesWritten)));
    }
  } finally {
    decoder.destroy();
  }
}

function pieceOf(decoder: InflateRaw): Buffer | undefined {
  const piece: unknown = decoder.read();
  return Buffer.isBuffer(piece) ? piece : undefined;
}
