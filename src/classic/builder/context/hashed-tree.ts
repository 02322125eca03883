import { createReadStream, lstatSync, readlinkSync } from "node:fs";
import { errnoOf } from "../../../core/index.ts";
import {
  type ByteString,
  type Path,
  Root,
  byteStringOf,
  joinPath,
  lgetxattr,
  pathOfByteString,
  splitDevice,
} from "../../../linux/index.ts";
import { listNames } from "../../../snapshot/index.ts";
import type { Owner } from "../copy/copy-tree.ts";
import { FileHash, type HashedHeader } from "../copy/file-hash.ts";

/** What an archive says of its entries, by their paths from the root. */
export interface KnownEntries {
  readonly hashes: ReadonlyMap<ByteString, string>;
  /** The owners of entries that are not root's. Files on disk have none of their archive's. */
  readonly owners: ReadonlyMap<ByteString, Owner>;
}

/**
 * A tree that COPY and ADD read, with the hashes of its entries for the image cache: a context, another stage's files, or a
 * download. Nothing changes it during the build.
 */
export class HashedTree implements Disposable {
  readonly path: string;
  readonly #root: Root;
  readonly #known: Map<ByteString, string>;
  readonly #owners: KnownEntries["owners"] | undefined;
  /** True if the hashes come from an archive. Directories without an entry in the archive then have no hash. */
  readonly #partial: boolean;

  constructor(path: string, known?: KnownEntries) {
    this.path = path;
    this.#root = Root.open(path);
    this.#known = new Map(known?.hashes);
    this.#owners = known?.owners;
    this.#partial = known !== undefined;
  }

  /** Resolves `path`, following all links inside the tree. Throws ENOENT, ENOTDIR or ELOOP. */
  resolve(path: Path): ByteString {
    return byteStringOf(this.#root.resolve(path));
  }

  /** Returns a path for file operations. `resolved` has no symbolic links in its parents. */
  fullPath(resolved: ByteString): Path {
    return resolved === "" ? `${this.#root.path}/.` : joinPath(this.#root.path, pathOfByteString(resolved));
  }

  /** Returns the hash of what the path resolves to; for the root, a dangling link or an implied directory, the path itself. */
  async hash(path: ByteString): Promise<string> {
    let resolved: ByteString;
    try {
      resolved = this.resolve(pathOfByteString(path));
    } catch (error) {
      if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errnoOf(error) ?? "")) return path;
      throw error;
    }
    if (resolved === "") return path;
    const known = this.#known.get(resolved) ?? (await this.#compute(resolved));
    if (known === undefined) return path;
    this.#known.set(resolved, known);
    return known;
  }

  /** Returns the header of an entry as its archive had it, as far as its hash covers it; of a tree that was no archive, as it is on disk. */
  header(resolved: ByteString): HashedHeader {
    const header = headerOf(this.fullPath(resolved), resolved);
    return this.#owners === undefined ? header : { ...header, ...(this.#owners.get(resolved) ?? ROOT) };
  }

  /** Yields a directory and everything below it, in the order of a walk. Links are not followed. */
  *walk(resolved: ByteString): Generator<ByteString> {
    if (resolved !== "") yield resolved;
    if (!lstatSync(this.fullPath(resolved)).isDirectory()) return;
    for (const name of listNames(this.fullPath(resolved)))
      yield* this.walk(resolved === "" ? name : `${resolved}/${name}`);
  }

  [Symbol.dispose](): void {
    this.#root[Symbol.dispose]();
  }

  async #compute(resolved: ByteString): Promise<string | undefined> {
    const path = this.fullPath(resolved);
    const header = headerOf(path, resolved);
    if (this.#partial && header.type !== "file") return undefined;
    const hash = new FileHash(header);
    if (header.type === "file") {
      const content: AsyncIterable<Uint8Array> = createReadStream(path, { highWaterMark: CHUNK });
      for await (const chunk of content) hash.update(chunk);
    }
    return hash.end();
  }
}

const ROOT: Owner = { uid: 0, gid: 0 };
const CHUNK = 262_144;
const CAPABILITY = "security.capability";

function typeOf(stat: ReturnType<typeof lstatSync>): HashedHeader["type"] {
  if (stat?.isDirectory() === true) return "directory";
  if (stat?.isSymbolicLink() === true) return "symlink";
  if (stat?.isCharacterDevice() === true) return "char";
  if (stat?.isBlockDevice() === true) return "block";
  return stat?.isFIFO() === true ? "fifo" : "file";
}

/** Returns the archive header that the daemon would write for a file on disk. */
function headerOf(path: Path, resolved: ByteString): HashedHeader {
  const stat = lstatSync(path, { bigint: true });
  const type = typeOf(lstatSync(path));
  const device = type === "char" || type === "block" ? splitDevice(stat.rdev) : { major: 0, minor: 0 };
  const capability = type === "symlink" ? undefined : lgetxattr(path, CAPABILITY);
  return {
    name: type === "directory" ? `${resolved}/` : resolved,
    type,
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: type === "file" ? Number(stat.size) : 0,
    linkPath: type === "symlink" ? readlinkSync(path, { encoding: "latin1" }) : "",
    devMajor: device.major,
    devMinor: device.minor,
    xattrs: new Map(capability === undefined ? [] : [[CAPABILITY, capability]]),
  };
}
