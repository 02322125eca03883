import type { CacheKeyStore, KeyLink, StoredResult } from "../../solver/index.ts";
import type { ImportIndex } from "./import-index.ts";
import type { MissingResults } from "./missing-results.ts";

type Backlink = { readonly from: string; readonly link: KeyLink };
type Outgoing = { readonly to: string; readonly link: KeyLink };

/** The key store of an import. It is read-only. A released result is gone for this process; its keys stay. */
export class ImportedKeys implements CacheKeyStore {
  readonly #index: Promise<ImportIndex>;
  readonly #missing: MissingResults;

  constructor(index: Promise<ImportIndex>, missing: MissingResults) {
    this.#index = index;
    this.#missing = missing;
  }

  async exists(key: string): Promise<boolean> {
    return (await this.#index).get(key) !== undefined;
  }

  async *walk(): AsyncGenerator<string> {
    yield* (await this.#index).ids();
  }

  async results(key: string): Promise<readonly StoredResult[]> {
    const index = await this.#index;
    const results = index.get(key)?.results ?? [];
    return results.filter(({ id }) => !this.#missing.has(id, index));
  }

  async result(key: string, result: string): Promise<StoredResult | undefined> {
    return (await this.results(key)).find(({ id }) => id === result);
  }

  async links(key: string, link: KeyLink): Promise<readonly string[]> {
    return (await this.#index).follow(key, link);
  }

  async hasLink(from: string, link: KeyLink, to: string): Promise<boolean> {
    return (await this.links(from, link)).includes(to);
  }

  async outgoing(key: string): Promise<readonly Outgoing[]> {
    return (await this.#index).get(key)?.outgoing ?? [];
  }

  async backlinks(key: string): Promise<readonly Backlink[]> {
    return (await this.#index).backlinks(key);
  }

  async keysOfResult(result: string): Promise<readonly string[]> {
    const index = await this.#index;
    return this.#missing.has(result, index) ? [] : index.keysOfResult(result);
  }

  write(): void {}

  release(result: string): void {
    this.#missing.addResult(result);
  }
}
