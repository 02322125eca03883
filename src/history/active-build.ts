import type { Descriptor } from "../core/index.ts";
import { BoundedResults, RecordLimits, boundedMessage, boundedTexts } from "./bounds.ts";
import { type BlobTable, type PreparedBlob, prepareBlob, prepareDocument } from "./blobs.ts";
import type { BlobContent, BuildOutcome, BuildRecord, BuildResultBlobs, ResultContents } from "./types.ts";

interface ActiveBuildHost {
  /** Stores the record, and its blobs by the given function, in one transaction. */
  store(record: BuildRecord, insertBlobs: (table: BlobTable) => void): void;
  /** Removes the build from those that run. */
  end(): void;
}

/** A build that runs. If it is disposed of without being completed, it leaves no record. */
export class ActiveBuild implements Disposable {
  readonly record: BuildRecord;
  readonly #host: ActiveBuildHost;

  constructor(record: BuildRecord, host: ActiveBuildHost) {
    this.record = record;
    this.#host = host;
  }

  /**
   * Stores the build and its blobs, in one transaction.
   *
   * @throws {VarveError} `storage`, `limit-exceeded` for too large blobs, `corrupt` for a wrong document.
   */
  async complete(outcome: BuildOutcome): Promise<BuildRecord> {
    const completedAt = Date.now();
    const blobs = new Blobs();
    const bounded = new BoundedResults();
    const { error, steps, warnings, metadata = new Map<string, string>() } = outcome;
    const record: BuildRecord = {
      ...this.record,
      completedAt,
      error: error && { ...error, message: boundedMessage(error.message) },
      externalError: await blobs.add(outcome.externalError),
      metadata: boundedTexts(metadata, RecordLimits.metadata),
      logs: await blobs.add(outcome.logs),
      trace: await blobs.add(outcome.trace),
      result: outcome.result && bounded.blobs(await blobs.addResult(outcome.result)),
      results: new Map<string, BuildResultBlobs>(),
      steps,
      warnings,
    };
    const results = new Map<string, BuildResultBlobs>();
    for (const [platform, contents] of outcome.results ?? [])
      if (bounded.has(platform)) results.set(platform, bounded.blobs(await blobs.addResult(contents)));
    const stored = { ...record, results };
    this.#host.store(stored, (table) => table.insert(stored.ref, blobs.prepared, completedAt));
    return stored;
  }

  [Symbol.dispose](): void {
    this.#host.end();
  }
}

/** The blobs of a build that is being stored. */
class Blobs {
  readonly prepared: PreparedBlob[] = [];

  async add(content: BlobContent | undefined): Promise<Descriptor | undefined> {
    return content && (await this.#add(content));
  }

  async addResult({ attestations = [], exports = new Map() }: ResultContents): Promise<BuildResultBlobs> {
    const added: Descriptor[] = [];
    for (const content of attestations) added.push(await this.#add(content));
    const written = new Map<number, Descriptor>();
    for (const [index, { descriptor, documents }] of exports) {
      written.set(index, descriptor);
      for (const document of documents) this.prepared.push(await prepareDocument(document));
    }
    return { attestations: added, exports: written };
  }

  async #add(content: BlobContent): Promise<Descriptor> {
    const blob = await prepareBlob(content);
    this.prepared.push(blob);
    return blob.descriptor;
  }
}
