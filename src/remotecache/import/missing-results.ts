import type { Digest } from "../../core/index.ts";
import type { ImportIndex } from "./import-index.ts";

/** The results of an import that turned out to be missing at its source. */
export class MissingResults {
  readonly #blobs = new Set<Digest>();
  readonly #results = new Set<string>();
  #isAll = false;

  addBlob(digest: Digest): void {
    this.#blobs.add(digest);
  }

  addResult(result: string): void {
    this.#results.add(result);
  }

  /** Marks every result as missing. */
  addAll(): void {
    this.#isAll = true;
  }

  /** True if a result is missing or is not in the index. */
  has(result: string, index: ImportIndex): boolean {
    if (this.#isAll || this.#results.has(result)) return true;
    return index.layers(result)?.some(({ digest }) => this.#blobs.has(digest)) ?? true;
  }
}
