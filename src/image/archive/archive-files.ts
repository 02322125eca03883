import type { ContentStore } from "../../content/index.ts";
import { Limits, VarveError, isDigest, throwIfAborted } from "../../core/index.ts";
import { type Bytes, collect } from "../../io/index.ts";
import { type TarEntry, readArchive as entriesOf } from "../../layer/index.ts";
import type { StoredFile } from "./stored-file.ts";
import type { LoadOptions } from "./types.ts";

/** Maximum number of entries, far more than any set of images needs. */
const MAX_ENTRIES = 100_000;
const MAX_LINKS = 32;
const DOCUMENTS: ReadonlySet<string> = new Set(["index.json", "manifest.json", "oci-layout"]);
/** Files of old archives whose information is in `manifest.json` too. */
const REDUNDANT = /(?:^|\/)(?:VERSION|json|repositories)$/;
const BLOB = /^blobs\/(sha256|sha512)\/([0-9a-f]+)$/;

/** Returns the path that a link in the archive refers to, or undefined if it leads out of the archive. */
function linkTarget(path: string, target: string): string | undefined {
  if (target.startsWith("/")) return undefined;
  const parts = path.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join("/");
}

/** The files of an archive: small documents in memory, and all other files as blobs of the store, kept by the lease. */
export class ArchiveFiles {
  readonly #documents = new Map<string, Buffer>();
  readonly #files = new Map<string, StoredFile>();
  readonly #links = new Map<string, string>();

  document(name: string): Buffer | undefined {
    return this.#documents.get(name);
  }

  /** Returns a file by its path in the archive. Links are followed. */
  find(name: string): StoredFile | undefined {
    let path = name.replace(/^(?:\.?\/)+/, "");
    for (let hops = 0; hops < MAX_LINKS; hops++) {
      const file = this.#files.get(path);
      if (file !== undefined) return file;
      const next = this.#links.get(path);
      if (next === undefined) return undefined;
      path = next;
    }
    return undefined;
  }

  async add(store: ContentStore, entry: TarEntry, options: LoadOptions): Promise<void> {
    const { path, type } = entry;
    if (type === "symlink" || type === "hardlink") {
      const target = type === "symlink" ? linkTarget(path, entry.linkPath) : entry.linkPath;
      if (target !== undefined) this.#links.set(path, target);
    } else if (type === "file" && DOCUMENTS.has(path)) {
      this.#documents.set(path, await collect(entry.body, Limits.manifest, { what: `${path} of an archive` }));
    } else if (type === "file" && path !== "" && !REDUNDANT.test(path)) {
      this.#files.set(path, await this.#store(store, entry, options));
    }
  }

  async #store(store: ContentStore, entry: TarEntry, { lease, signal }: LoadOptions): Promise<StoredFile> {
    const [, algorithm, hex] = BLOB.exec(entry.path) ?? [];
    const digest = `${algorithm}:${hex}`;
    const expected = isDigest(digest) ? { digest, size: entry.size } : { size: entry.size };
    const info = await store.put(entry.body, { expected, lease, present: "verify", signal });
    return { digest: info.digest, size: info.size };
  }
}

/** Reads an archive in one pass, with entries in any order, compressed or not. */
export async function readArchive(store: ContentStore, bytes: Bytes, options: LoadOptions): Promise<ArchiveFiles> {
  const what = "image archive";
  const files = new ArchiveFiles();
  let entries = 0;
  for await (const entry of entriesOf(bytes, { what })) {
    throwIfAborted(options.signal, `read ${what}`);
    entries += 1;
    if (entries > MAX_ENTRIES)
      throw new VarveError("limit-exceeded", `Cannot read ${what}: it has more than ${MAX_ENTRIES} entries`);
    await files.add(store, entry, options);
  }
  return files;
}
