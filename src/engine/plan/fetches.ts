import type { Digest } from "../../core/index.ts";
import type { Result } from "../ops/result.ts";
import type { Store } from "../store/store.ts";

/** Counts the bytes of layers that results have and this machine has not. */
export class Fetches {
  readonly #store: Pick<Store, "records" | "content">;
  readonly #missing = new Map<Digest, number>();

  constructor(store: Pick<Store, "records" | "content">) {
    this.#store = store;
  }

  /** Bytes of all layers that were counted, each once. */
  get total(): number {
    return [...this.#missing.values()].reduce((sum, size) => sum + size, 0);
  }

  /** Counts the layers of a result. Returns their bytes. */
  add(result: Result | undefined): number {
    if (result?.kind !== "record" || result.id === "") return 0;
    let bytes = 0;
    for (const { snapshot, blob } of this.#store.records.layers(result.id)) {
      if (snapshot !== undefined || blob === undefined) continue;
      if (this.#store.content.info(blob.digest) !== undefined) continue;
      this.#missing.set(blob.digest, blob.size);
      bytes += blob.size;
    }
    return bytes;
  }
}
