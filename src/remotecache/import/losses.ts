import type { Digest } from "../../core/index.ts";
import type { ImportIndex } from "./import-index.ts";

/** What an import promised and does not have. */
export class Losses {
  readonly #blobs = new Set<Digest>();
  readonly #results = new Set<string>();
  #isAll = false;

  addBlob(digest: Digest): void {
    this.#blobs.add(digest);
  }

  addResult(result: string): void {
    this.#results.add(result);
  }

  /** Every result there is. */
  addAll(): void {
    this.#isAll = true;
  }

  /** Whether a result is there no more, or never was. */
  has(result: string, index: ImportIndex): boolean {
    if (this.#isAll || this.#results.has(result)) return true;
    return index.layers(result)?.some(({ digest }) => this.#blobs.has(digest)) ?? true;
  }
}
