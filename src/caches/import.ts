import { type CacheSpec, type Result, type Store, recordResult, resultTable } from "../engine/index.ts";
import { setImmediate } from "node:timers/promises";
import { type Digest, VarveError, isLayerType, isVarveError, throwIfAborted } from "../core/index.ts";
import { RecordKeyStore, localCache } from "../cache/index.ts";
import { Semaphore, inParallel } from "../io/index.ts";
import type { BlobForm, Hold, RecordId, RemoteLayer } from "../record/index.ts";
import { type CacheGraph, type CacheNode, type CacheResult, timeToMilliseconds } from "../remotecache/index.ts";
import { CacheKey, type CacheManager, RECORD_OUTPUT } from "../solver/index.ts";
import { keyDigest, keySelector } from "./key-digest.ts";
import { type ImportedNote, saveNotes } from "./import-notes.ts";
import { saveRuns } from "./import-runs.ts";
import { type CacheReadOptions, openCache } from "./target.ts";

export interface ImportCacheOptions extends CacheReadOptions {
  /** Also download the layers. Otherwise each is fetched when a build first reads it. */
  readonly fetch?: boolean | undefined;
}

/** The result of an import. */
export interface ImportReport {
  readonly name: string;
  /** Number of imported records that have a result. */
  readonly added: number;
  /** Number of records that the store had a result for already. */
  readonly known: number;
  /** Number of layers that were downloaded. */
  readonly fetched: number;
  /** Number of layers that could not be downloaded. */
  readonly lost: number;
  /** Bytes of the layers that were downloaded. */
  readonly bytes: number;
}

/** Maximum number of concurrent downloads. */
const DOWNLOADS = 4;
/** Number of records after which the import yields to other work of the process, such as handling an interrupt. */
const BATCH = 64;

/** Implements `importCache`. Each record is written in one transaction. */
export async function importIntoStore(
  store: Store,
  spec: CacheSpec,
  options: ImportCacheOptions = {},
): Promise<ImportReport> {
  const { signal, onWarning, fetch = false } = options;
  const { name, graphs } = await openCache(store, spec, options);
  await using lease = await store.content.lease();
  const importer = new Importer(store, { lease, signal });
  for (const graph of graphs) {
    await graph.loadNotes(signal);
    await importer.take(graph);
  }
  saveNotes(store, importer.notes);
  saveRuns(store, importer.notes);
  const { added, known, records } = importer;
  const downloads = fetch ? await download(records, store, { lease, signal }, onWarning) : NOTHING;
  return { name, added, known, ...downloads };
}

type Downloads = Pick<ImportReport, "fetched" | "lost" | "bytes">;
const NOTHING: Downloads = { fetched: 0, lost: 0, bytes: 0 };

class Importer {
  added = 0;
  known = 0;
  /** IDs of the records' results in this store. */
  readonly records = new Set<RecordId>();
  /** What the cache says of the records that were added. */
  readonly notes: ImportedNote[] = [];
  readonly #store: Store;
  readonly #hold: Hold;
  readonly #cache: CacheManager<Result>;
  readonly #now = Date.now();

  constructor(store: Store, hold: Hold) {
    this.#store = store;
    this.#hold = hold;
    this.#cache = localCache(store.state, resultTable(store.records), new RecordKeyStore(store.state));
  }

  async take(graph: CacheGraph): Promise<void> {
    const keys = new Map<CacheNode, CacheKey>();
    for (const node of graph.nodes()) {
      if (keys.size % BATCH === 0) await setImmediate();
      throwIfAborted(this.#hold.signal, "import cache");
      const key = keyOf(node, keys);
      keys.set(node, key);
      const result = node.results.find(isUsable);
      const id = await this.#cache.saveKey(key);
      if (id !== undefined && result !== undefined) await this.#save(key, id, node, result);
    }
  }

  async #save(key: CacheKey, id: string, node: CacheNode, { layers, createdAt }: CacheResult): Promise<void> {
    const { name, note, digest } = node;
    const { records } = this.#store;
    const pinned = (await this.#cache.recordsAt(id)).filter(({ result }) => records.pin(result.id, this.#hold.lease));
    for (const { result } of pinned) this.records.add(result.id);
    if (pinned.length > 0) {
      this.known += 1;
      return;
    }
    const record = records.addChain(described(layers, name), this.#hold.lease);
    const madeAt = Math.min(timeToMilliseconds(createdAt), this.#now);
    await this.#cache.save(key, recordResult(record), madeAt);
    this.records.add(record);
    this.added += 1;
    if (note !== undefined) this.notes.push({ note, digest, record, layers, madeAt });
  }
}

/** Returns the key of a record. It has only what a document has: the digest of the record, and its inputs. */
function keyOf({ digest, inputs }: CacheNode, keys: ReadonlyMap<CacheNode, CacheKey>): CacheKey {
  const key = new CacheKey(keyDigest(digest), RECORD_OUTPUT, { inputs: inputs.length });
  for (const [input, list] of inputs.entries())
    for (const { node, selector } of list) {
      const from = keys.get(node);
      if (from === undefined) throw new VarveError("internal", "Cannot import cache: a record precedes its inputs");
      key.addAlternative(input, { key: from, selector: keySelector(selector) });
    }
  return key;
}

function isUsable({ layers }: CacheResult): boolean {
  return layers.every(({ mediaType }) => isLayerType(mediaType));
}

/** Sets the description of the last layer to the name of the step. */
function described(layers: readonly RemoteLayer[], name: string | undefined): readonly RemoteLayer[] {
  return layers.map((layer, at) =>
    at === layers.length - 1 && name !== undefined ? { ...layer, description: name } : layer,
  );
}

/** Downloads the layers of records. Reports those that cannot be downloaded to `onWarning`. */
async function download(
  records: Iterable<RecordId>,
  store: Store,
  hold: Hold,
  onWarning: (message: string) => void = () => undefined,
): Promise<Downloads> {
  const blobs = new Map<Digest, BlobForm>();
  for (const id of records)
    for (const { blob, snapshot } of store.records.layers(id))
      if (blob !== undefined && snapshot === undefined && store.content.info(blob.digest) === undefined)
        blobs.set(blob.digest, blob);
  const slots = new Semaphore(DOWNLOADS);
  const fetched = await inParallel([...blobs.values()], hold.signal, async (blob, signal) =>
    slots.run(() => fetchOne(blob, store, { ...hold, signal }, onWarning), signal),
  );
  const bytes = fetched.filter((size) => size !== undefined);
  return {
    fetched: bytes.length,
    lost: fetched.length - bytes.length,
    bytes: bytes.reduce((sum, size) => sum + size, 0),
  };
}

/** The bytes that came; undefined if they cannot be had. */
async function fetchOne(
  blob: BlobForm,
  { records }: Store,
  hold: Hold,
  onWarning: (message: string) => void,
): Promise<number | undefined> {
  try {
    await records.snapshots.fetch(blob, hold);
    return blob.size;
  } catch (error) {
    if (!isVarveError(error, "not-found", "remote", "unauthorized", "corrupt", "limit-exceeded")) throw error;
    onWarning(`Layer ${blob.digest} cannot be had: ${error.message}`);
    return undefined;
  }
}
