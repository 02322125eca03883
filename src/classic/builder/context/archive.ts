import { createReadStream, lstatSync } from "node:fs";
import { isVarveError } from "../../../core/index.ts";
import type { Bytes } from "../../../io/index.ts";
import { type TarEntry, extractArchive } from "../../../layer/index.ts";
import { type ByteString, joinPath, pathOfByteString } from "../../../linux/index.ts";
import { failure } from "../failure.ts";
import { FileHash, type HashedHeader } from "../copy/file-hash.ts";
import type { Owner } from "../copy/copy-tree.ts";
import type { KnownEntries } from "./hashed-tree.ts";

const WHAT = "the build context";

/**
 * Unpacks an archive, compressed or not, below `path`. Returns the hashes of its entries, with their headers as received, and their
 * owners. A hard link is hashed as a regular file with the file's content. Throws 500 if the input is not an archive.
 */
export async function unpackContext(bytes: Bytes, path: string, signal: AbortSignal): Promise<KnownEntries> {
  const hashes = new EntryHashes();
  try {
    const onEntry = (entry: TarEntry): TarEntry => hashes.watch(entry);
    await extractArchive({ bytes }, path, { chown: false, what: WHAT, onEntry, signal });
  } catch (error) {
    throw isVarveError(error, "corrupt") ? failure(500, `unexpected EOF: ${error.message}`, error) : error;
  }
  return await hashes.end(path);
}

class EntryHashes {
  readonly #hashes = new Map<ByteString, string>();
  readonly #links = new Map<ByteString, TarEntry>();
  readonly #symlinks = new Set<ByteString>();
  readonly #paths = new Set<ByteString>();
  readonly #owners = new Map<ByteString, Owner>();

  watch(entry: TarEntry): TarEntry {
    const { path, uid, gid } = entry;
    this.#owners.delete(path);
    if (uid !== 0 || gid !== 0) this.#owners.set(path, { uid, gid });
    this.#hashes.delete(path);
    this.#links.delete(path);
    this.#symlinks.delete(path);
    this.#paths.add(path);
    if (entry.type === "symlink") this.#symlinks.add(path);
    if (entry.type === "hardlink") this.#links.set(path, entry);
    else if (entry.type !== "file") this.#hashes.set(path, new FileHash(hashedHeader(entry)).end());
    else {
      const { pieces: _pieces, ...plain } = entry;
      return { ...plain, body: this.#body(entry) };
    }
    return entry;
  }

  async end(directory: string): Promise<KnownEntries> {
    const owners = this.#owners;
    // If a symbolic link is a parent of an entry, the entry's path on disk differs from its name: hash the files on disk.
    if (this.#hasLinkedParents()) return { hashes: new Map(), owners };
    for (const [path, entry] of this.#links) {
      const file = joinPath(directory, pathOfByteString(path));
      const stat = lstatSync(file, { throwIfNoEntry: false });
      if (stat?.isFile() !== true) continue;
      const hash = new FileHash({ ...hashedHeader(entry), type: "file", linkPath: "", size: stat.size });
      const content: AsyncIterable<Uint8Array> = createReadStream(file);
      for await (const chunk of content) hash.update(chunk);
      this.#hashes.set(path, hash.end());
    }
    return { hashes: this.#hashes, owners };
  }

  #hasLinkedParents(): boolean {
    if (this.#symlinks.size === 0) return false;
    return this.#paths.values().some((path) => {
      for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1))
        if (this.#symlinks.has(path.slice(0, at))) return true;
      return false;
    });
  }

  async *#body(entry: TarEntry): AsyncGenerator<Uint8Array> {
    const hash = new FileHash(hashedHeader(entry));
    for await (const chunk of entry.body) {
      hash.update(chunk);
      yield chunk;
    }
    this.#hashes.set(entry.path, hash.end());
  }
}

function hashedHeader(entry: TarEntry): HashedHeader {
  return { ...entry, name: entry.rawPath };
}
