import { rmSync } from "node:fs";
import { type Digest, VarveError, parseDigest } from "../core/index.ts";
import type { Bytes } from "../io/index.ts";
import { ProcessDirectory } from "../linux/index.ts";
import type { State } from "../state/index.ts";
import { type BlobRow, Blobs, notFound } from "./blobs.ts";
import { collectGarbage, expireLeases } from "./collect.ts";
import { DirectorySync } from "./directory-sync.ts";
import { addEdge } from "./graph.ts";
import { type IngestContext, openIngest } from "./ingest.ts";
import { blobPath, makeLayout } from "./layout.ts";
import { makeLease } from "./lease.ts";
import { anonymousPlace, refPlace } from "./place.ts";
import { readBlob } from "./read.ts";
import { verifyBlobs } from "./verify.ts";
import type {
  BlobInfo,
  Collected,
  ContentStore,
  Ingest,
  IngestOptions,
  Lease,
  LeaseOptions,
  OpenOptions,
  PutOptions,
  Sweepers,
  Verification,
} from "./types.ts";

const PAGE = 256;

class LocalStore implements ContentStore {
  readonly #blobs: Blobs;
  readonly #writers: ProcessDirectory;
  readonly #context: IngestContext;

  constructor(root: string, state: State) {
    this.#blobs = new Blobs(state, makeLayout(root));
    this.#writers = new ProcessDirectory(this.#blobs.layout.writers, { own: removeTree, left: removeTree });
    this.#context = { blobs: this.#blobs, directories: new DirectorySync() };
  }

  info(digest: Digest): BlobInfo | undefined {
    return this.#blobs.info(parseDigest(digest));
  }

  open(digest: Digest, options: OpenOptions = {}): Bytes {
    return readBlob(this.#blobs, parseDigest(digest), options);
  }

  path(digest: Digest): string {
    if (this.#blobs.find(parseDigest(digest)) === undefined) throw notFound(digest);
    return blobPath(this.#blobs.layout, digest);
  }

  async ingest(ref: string, options: IngestOptions = {}): Promise<Ingest> {
    return await openIngest(this.#context, refPlace(this.#blobs.state, this.#blobs.layout, ref), options);
  }

  async put(bytes: Bytes | Uint8Array, options: PutOptions = {}): Promise<BlobInfo> {
    const { digest, size } = options.expected ?? {};
    const present = digest === undefined ? undefined : this.#present(digest, size, options);
    if (present !== undefined) return present;
    const { ref, labels, lease } = options;
    const place =
      ref === undefined ? anonymousPlace(this.#writers) : refPlace(this.#blobs.state, this.#blobs.layout, ref);
    await using ingest = await openIngest(this.#context, place, options);
    await ingest.truncate(0);
    if (bytes instanceof Uint8Array) await ingest.write(bytes);
    else for await (const chunk of bytes) await ingest.write(chunk);
    return await ingest.commit({ ...(labels && { labels }), ...(lease && { lease }) });
  }

  label(digest: Digest, changes: Readonly<Record<string, string | null>>): void {
    this.#blobs.label(parseDigest(digest), Object.entries(changes));
  }

  link(from: Digest, to: readonly Digest[]): void {
    const { state } = this.#blobs;
    state.transaction(() => {
      if (this.#blobs.find(parseDigest(from)) === undefined) throw notFound(from);
      for (const digest of to) addEdge(state, { kind: "blob", id: from }, { kind: "blob", id: parseDigest(digest) });
    });
  }

  *walk(): Generator<BlobInfo> {
    for (let after = ""; ;) {
      const rows = this.#blobs.state.all<BlobRow>(
        "SELECT digest, size, created_at FROM blob WHERE digest > ? ORDER BY digest LIMIT ?",
        after,
        PAGE,
      );
      for (const row of rows) yield this.#blobs.describe(row);
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.digest;
    }
  }

  async delete(digest: Digest): Promise<boolean> {
    const { state } = this.#blobs;
    const removed = state.transaction(() => this.#blobs.removeRow(parseDigest(digest)), {
      durable: true,
      frees: true,
    });
    await this.#blobs.discard([digest]);
    return removed;
  }

  // oxlint-disable-next-line require-await -- the interface is asynchronous, so that a store elsewhere can keep leases too
  async lease(options: LeaseOptions = {}): Promise<Lease> {
    return makeLease(this.#blobs.state, this.#writers.name, options);
  }

  expireLeases(): void {
    const { state } = this.#blobs;
    state.transaction(() => expireLeases(state, this.#writers), { frees: true });
  }

  async collect(sweepers: Sweepers = {}): Promise<Collected> {
    return await collectGarbage(this.#blobs, this.#writers, sweepers);
  }

  [Symbol.dispose](): void {
    this.#writers[Symbol.dispose]();
  }

  async verify({ signal }: { readonly signal?: AbortSignal } = {}): Promise<Verification> {
    return await verifyBlobs(this.#blobs, this.walk(), signal);
  }

  #present(digest: Digest, size: number | undefined, options: PutOptions): BlobInfo | undefined {
    const row = this.#blobs.find(parseDigest(digest));
    if (row === undefined) return undefined;
    if (size !== undefined && size !== row.size)
      throw new VarveError("corrupt", `Cannot write blob ${digest}: it has ${row.size} bytes, not ${size}`, {
        details: { digest, size },
      });
    const { labels, lease } = options;
    return this.#blobs.adopt(digest, { ...(labels && { labels }), ...(lease && { lease }) });
  }
}

function removeTree(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** The content store of a root: files under `<root>/content`, rows in its state. Close neither while using it. */
export function openContentStore(root: string, state: State): ContentStore {
  return new LocalStore(root, state);
}
