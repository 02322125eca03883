import { type Bytes, freeable, freeing } from "../../io/index.ts";
import { BLOCK, FIELDS } from "../tar/format.ts";

/** A member has at least this many bytes of the archive, but for the last one. */
const LEAST = 131_072;
const MOST = 1_048_576;
const ZERO = 0x30;
/** "ustar". */
const MAGIC = [0x75, 0x73, 0x74, 0x61, 0x72] as const;

/**
 * Cuts an archive into pieces that do not depend on what is far before them: where one file has changed, the pieces soon are the
 * same as before. A piece ends before one of the headers, chosen by its checksum, so that it has a few dozen small files; or before a
 * file that fills a piece by itself; or when it is full. An empty archive is one piece. The pieces depend on the bytes of the archive
 * only. They are `freeable`.
 */
export async function* memberPieces(tar: Bytes): AsyncGenerator<Buffer> {
  let piece = Buffer.allocUnsafeSlow(MOST);
  let used = 0;
  /** Up to here, no header ends the piece. A multiple of `BLOCK`. */
  let seen = LEAST;
  let isEmpty = true;
  for await (const chunk of freeing(tar)) {
    for (let from = 0; from < chunk.byteLength;) {
      isEmpty = false;
      const taken = Math.min(MOST - used, chunk.byteLength - from);
      piece.set(chunk.subarray(from, from + taken), used);
      used += taken;
      from += taken;
      let start = 0;
      for (; seen + BLOCK <= used; seen += BLOCK) {
        if (!endsPiece(piece, seen)) continue;
        yield copyOf(piece.subarray(start, seen));
        start = seen;
        seen += LEAST - BLOCK;
      }
      if (start > 0) {
        piece.copyWithin(0, start, used);
        used -= start;
        seen -= start;
      }
      if (used < MOST) continue;
      freeable(piece);
      yield piece;
      piece = Buffer.allocUnsafeSlow(MOST);
      used = 0;
      seen = LEAST;
    }
  }
  if (used > 0 || isEmpty) yield piece.subarray(0, used);
}

function copyOf(part: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(part.byteLength);
  part.copy(copy);
  freeable(copy);
  return copy;
}

/** Returns whether the block at `at` is the header of an entry before which a piece ends. Contents that look like one do no harm. */
function endsPiece(piece: Buffer, at: number): boolean {
  const magic = at + FIELDS.magic[0];
  if (!MAGIC.every((byte, index) => piece[magic + index] === byte)) return false;
  // The checksum is written as six octal digits; one in eight ends in 0.
  if (piece[at + FIELDS.checksum[0] + 5] === ZERO) return true;
  const size = piece.toString("latin1", at + FIELDS.size[0], at + FIELDS.size[0] + FIELDS.size[1] - 1);
  return Number.parseInt(size, 8) >= MOST;
}
