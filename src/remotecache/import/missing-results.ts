import type { Digest } from "../../core/index.ts";
import type { ImportIndex } from "./import-index.ts";

/** The results of an import that turned out to be missing at its source. */
export class MissingResults {
  /** What is said of each blob. */
  readonly #blobs = new Map<Digest, string>();
  readonly #results = new Set<string>();
  #isAll = false;

  addBlob(digest: Digest, state: string): void {
    this.#blobs.set(digest, state);
  }

  /** Returns what is said of a blob that is missing. */
  stateOf(digest: Digest): string | undefined {
    return this.#blobs.get(digest) ?? (this.#isAll ? "is gone" : undefined);
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
