import type { Block } from "../blocks.ts";
import { free } from "../free.ts";
import { GZIP_BLOCK, GzipMember } from "./gzip.ts";
import { compressionLevel } from "./level.ts";
import { inOrder, width } from "./parallel.ts";

/** A marker in a stream: a gzip member ends here and another one begins. Ignored at the start and at the end. */
export const MEMBER_END: unique symbol = Symbol("end of a gzip member");

export type MemberInput = Uint8Array | typeof MEMBER_END;

/** A piece of a compressed stream. */
export interface MemberPiece {
  readonly bytes: Uint8Array;
  /** A member begins with this piece. */
  readonly begins: boolean;
}

/** The size of a large piece: with a few of them in progress, memory is bounded. */
const PIECE = 4 * GZIP_BLOCK;

interface MemberBlock extends Block {
  readonly first: boolean;
}

/**
 * Compresses a stream to a sequence of gzip members, on several threads. The same bytes, markers and level give the same result, however the
 * input is cut into chunks. Memory is bounded, whatever the sizes of the members.
 */
export function gzipMembers(source: AsyncIterable<MemberInput>, level?: number): AsyncGenerator<MemberPiece> {
  const chosen = compressionLevel("gzip", level);
  let member = new GzipMember(chosen);
  return inOrder(memberBlocks(source), width(GZIP_BLOCK), async (block) => {
    if (block.first) member = new GzipMember(chosen);
    return { bytes: await member.add(block), begins: block.first };
  });
}

/** Blocks of exactly `GZIP_BLOCK` bytes, except for the last of each member, which is never empty. */
async function* memberBlocks(source: AsyncIterable<MemberInput>): AsyncGenerator<MemberBlock> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  let first = true;
  const block = (last: boolean): MemberBlock => {
    const made = { data: Buffer.concat(pieces), first, last };
    [pieces, size, first] = [[], 0, last];
    return made;
  };
  for await (const input of source) {
    if (input === MEMBER_END) {
      if (size > 0) yield block(true);
      continue;
    }
    for (let from = 0; from < input.byteLength;) {
      if (size === GZIP_BLOCK) yield block(false);
      const piece = input.subarray(from, from + GZIP_BLOCK - size);
      pieces.push(piece);
      size += piece.byteLength;
      from += piece.byteLength;
    }
  }
  if (size > 0) yield block(true);
}

/** Returns the gzip member of a piece if it was compressed before. Called in the order of the pieces. */
export type KnownMember = (piece: Buffer) => Promise<Buffer | undefined>;

/**
 * Compresses each piece to a gzip member of its own, on several threads, and yields the members in order. Pieces of up to some MiB: one
 * is compressed at once, and freed.
 */
export function gzipPieces(
  pieces: AsyncIterable<Buffer>,
  level: number | undefined,
  known: KnownMember = () => Promise.resolve(undefined),
): AsyncGenerator<Buffer> {
  const chosen = compressionLevel("gzip", level);
  return inOrder(pieces, width(PIECE), async (data) => {
    const member = (await known(data)) ?? (await new GzipMember(chosen).add({ data, last: true }));
    free(data);
    return member;
  });
}
