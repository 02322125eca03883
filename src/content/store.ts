import { rmSync } from "node:fs";
import { join } from "node:path";
import { type Digest, VarveError, parseDigest } from "../core/index.ts";
import { type Bytes, freeing } from "../io/index.ts";
import { ProcessDirectory } from "../linux/index.ts";
import { type Database, openState } from "../state/index.ts";
import { Blobs, notFound } from "./blobs.ts";
import { collectGarbage, expireLeases } from "./collect.ts";
import { DirectorySync } from "./directory-sync.ts";
import { addEdge } from "./graph.ts";
import { type IngestContext, openIngest } from "./ingest.ts";
import { makeLayout, readPath } from "./layout.ts";
import { makeLease } from "./lease.ts";
import { anonymousPlace, refPlace } from "./place.ts";
import { listQuarantine } from "./quarantine.ts";
import { openVerified, readBlob } from "./read.ts";
import { contentTables } from "./schema.ts";
import { checkBlob, verifyBlobs } from "./verify.ts";
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
  QuarantinedBlob,
  ReadOptions,
  Sweepers,
  Verification,
  VerifiedBlob,
  VerifyOptions,
} from "./types.ts";

class LocalStore implements ContentStore {
  readonly #blobs: Blobs;
  readonly #writers: ProcessDirectory;
  readonly #context: IngestContext;
  readonly #owned: Disposable | undefined;

  /** `owned` is closed with the store. `below`: see `Layout`. */
  constructor(
    root: string,
    state: Database,
    { owned, below }: { readonly owned?: Disposable; readonly below?: string } = {},
  ) {
    state.install(contentTables);
    this.#owned = owned;
    this.#blobs = new Blobs(state, makeLayout(root, below));
    this.#writers = new ProcessDirectory(this.#blobs.layout.writers, { own: removeTree, left: removeTree });
    this.#context = { blobs: this.#blobs, directories: new DirectorySync() };
  }

  info(digest: Digest): BlobInfo | undefined {
    return this.#blobs.info(parseDigest(digest));
  }

  open(digest: Digest, options: OpenOptions = {}): Bytes {
    return readBlob(this.#blobs, parseDigest(digest), options);
  }

  async openVerified(digest: Digest, { signal }: ReadOptions = {}): Promise<VerifiedBlob> {
    return await openVerified(this.#blobs, parseDigest(digest), signal);
  }

  async check(digest: Digest, { signal }: ReadOptions = {}): Promise<BlobInfo | undefined> {
    const row = await checkBlob(this.#blobs, parseDigest(digest), signal);
    return row === undefined ? undefined : this.#blobs.describe(row);
  }

  labels(digest: Digest): ReadonlyMap<string, string> {
    return this.#blobs.labels(parseDigest(digest));
  }

  path(digest: Digest): string {
    if (this.#blobs.find(parseDigest(digest)) === undefined) throw notFound(digest);
    return readPath(this.#blobs.layout, digest);
  }

  async ingest(ref: string, options: IngestOptions = {}): Promise<Ingest> {
    return await openIngest(this.#context, refPlace(this.#blobs.state, this.#blobs.layout, ref), options);
  }

  async put(bytes: Bytes | Uint8Array, options: PutOptions = {}): Promise<BlobInfo> {
    const { expected: { digest } = {}, signal } = options;
    if (digest !== undefined && (bytes instanceof Uint8Array || options.present === "verify"))
      await checkBlob(this.#blobs, parseDigest(digest), signal);
    const present = digest === undefined ? undefined : this.#present(digest, options.expected?.size, options);
    if (present !== undefined) return present;
    const { ref, labels, lease } = options;
    const place =
      ref === undefined ? anonymousPlace(this.#writers) : refPlace(this.#blobs.state, this.#blobs.layout, ref);
    await using ingest = await openIngest(this.#context, place, options);
    await ingest.truncate(0);
    if (bytes instanceof Uint8Array) await ingest.write(bytes);
    else for await (const chunk of freeing(bytes)) await ingest.write(chunk);
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
    for (const row of this.#blobs.rows()) yield this.#blobs.describe(row);
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
    this.#owned?.[Symbol.dispose]();
  }

  async verify(options: VerifyOptions = {}): Promise<Verification> {
    return await verifyBlobs(this.#blobs, options);
  }

  async quarantined(): Promise<QuarantinedBlob[]> {
    const found = await listQuarantine(this.#blobs.layout);
    return found.map(({ digest, bytes, since }) => ({ digest, bytes, since }));
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

/**
 * Opens the content store of a root: files under `<root>/content`, rows in its database. Dispose of it when nothing uses it.
 *
 * @param state the open database of the root. Without it `<root>/state.db` is opened, and closed with the store.
 * @throws {VarveError} `unsupported` for a database of another program or from the future, `corrupt` for a damaged one.
 * @example
 * using content = openContentStore("/var/lib/varve");
 * await using lease = await content.lease();
 * const { digest } = await content.put(new TextEncoder().encode("hello"), { lease });
 */
export function openContentStore(root: string, state?: Database): ContentStore {
  if (state !== undefined) return new LocalStore(root, state);
  const own = openState(join(root, "state.db"));
  return new LocalStore(root, own, { owned: own });
}

/**
 * Opens a store of its own on top of that in the root `below`, which stays as it is: blobs are read there too, and written to `root`. `state`
 * is a copy of the other root's database.
 */
export function openContentStoreOn(below: string, root: string, state: Database): ContentStore {
  return new LocalStore(root, state, { below });
}
