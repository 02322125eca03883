import { type Hash, createHash } from "node:crypto";
import type { TarHeader } from "../../../layer/index.ts";
import type { ByteString } from "../../../linux/index.ts";

/** The fields of an entry's header that its hash covers. */
export type HashedHeader = Pick<
  TarHeader,
  "mode" | "uid" | "gid" | "size" | "linkPath" | "devMajor" | "devMinor" | "xattrs" | "type"
> & {
  /** As in the archive. A directory's ends in "/". */
  readonly name: ByteString;
};

const FLAGS: Readonly<Record<TarHeader["type"], string>> = {
  file: "0",
  hardlink: "1",
  symlink: "2",
  char: "3",
  block: "4",
  directory: "5",
  fifo: "6",
};

/** Returns keys and values without separators, in the order of `tarsum` version 1: numbers in decimal, owner names empty. */
function headText(header: HashedHeader): ByteString {
  const { name, mode, uid, gid, size, type, linkPath, devMajor, devMinor } = header;
  const xattrs = [...header.xattrs]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => key + value.toString("latin1"));
  return (
    `name${name}mode${mode}uid${uid}gid${gid}size${size}typeflag${FLAGS[type]}linkname${linkPath}` +
    `unamegnamedevmajor${devMajor}devminor${devMinor}${xattrs.join("")}`
  );
}

/** The hash of a file, directory or link in Docker's image cache: SHA-256 of its header, then its content. */
export class FileHash {
  readonly #hash: Hash = createHash("sha256");

  constructor(header: HashedHeader) {
    this.#hash.update(headText(header), "latin1");
  }

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Returns the hash in hexadecimal. */
  end(): string {
    return this.#hash.digest("hex");
  }
}

/** Returns `<prefix>:<hash>` of several hashes. */
export function hashOfHashes(prefix: "dir" | "multi", hashes: readonly string[]): string {
  return `${prefix}:${createHash("sha256").update(hashes.join(","), "latin1").digest("hex")}`;
}
