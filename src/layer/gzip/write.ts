import { hash } from "node:crypto";
import { type Bytes, gzipPieces } from "../../io/index.ts";
import { memberPieces } from "./members.ts";

/** Gzip members of earlier layers. */
export interface MemberCache {
  /** Returns the member with this key, if it is known. */
  find(key: string): Promise<Buffer | undefined>;
}

/** A member in the blob of a layer. */
export interface LayerMember {
  /** Equal for members of the same bytes, level and version of the compression library. */
  readonly key: string;
  /** Position in the blob. */
  readonly offset: number;
  /** Bytes of the member. */
  readonly size: number;
}

export interface GzipStream {
  readonly bytes: Bytes;
  /** Returns the members of the blob, which is complete. */
  readonly members: () => readonly LayerMember[];
}

/**
 * Compresses an archive to gzip members that do not depend on each other, so that members of an earlier layer can be used again.
 * The result does not depend on which of them are known.
 */
export function gzipLayer(tar: Bytes, level: number | undefined, cache?: MemberCache): GzipStream {
  const keys: string[] = [];
  const members: LayerMember[] = [];
  const find = async (piece: Buffer): Promise<Buffer | undefined> => {
    if (cache === undefined) return undefined;
    const key = `${process.versions.zlib} ${level ?? ""} ${hash("sha256", piece, "hex")}`;
    keys.push(key);
    return await cache.find(key);
  };
  const compressed = gzipPieces(memberPieces(tar), level, find);
  async function* bytes(): AsyncGenerator<Uint8Array> {
    let offset = 0;
    for await (const member of compressed) {
      const key = keys.shift();
      if (key !== undefined) members.push({ key, offset, size: member.byteLength });
      offset += member.byteLength;
      yield member;
    }
  }
  return { bytes: bytes(), members: () => members };
}
