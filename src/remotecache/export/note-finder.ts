import type { CacheManager } from "../../solver/index.ts";
import type { CacheNote } from "../document/notes.ts";
import { ImportedCache } from "../import/imported-cache.ts";
import type { ExportKey } from "./export-keys.ts";
import type { ResultOptions } from "./result-finder.ts";

/** Finds the notes of the keys of an export: those of the writer, else those of the caches where the keys were found. */
export class NoteFinder<R> {
  readonly #caches: ReadonlyMap<string, CacheManager<R>>;
  readonly #noteOf: NonNullable<ResultOptions<R>["noteOf"]>;
  readonly #imported = new Map<string, ReadonlyMap<string, CacheNote>>();

  constructor(caches: ReadonlyMap<string, CacheManager<R>>, noteOf: NonNullable<ResultOptions<R>["noteOf"]>) {
    this.#caches = caches;
    this.#noteOf = noteOf;
  }

  async of({ digest, key }: ExportKey): Promise<CacheNote | undefined> {
    if (key === undefined || key.isRoot) return undefined;
    for (const cache of this.#caches.values())
      for (const id of key.idsIn(cache.id)) {
        const note =
          cache instanceof ImportedCache ? await this.#ofImport(cache, id) : await this.#own(cache, id, digest);
        if (note !== undefined) return note;
      }
    return undefined;
  }

  async #own(cache: CacheManager<R>, id: string, digest: string): Promise<CacheNote | undefined> {
    for (const { result } of await cache.recordsAt(id)) {
      const note = await this.#noteOf(digest, result.id);
      if (note !== undefined) return note;
    }
    return undefined;
  }

  async #ofImport(cache: ImportedCache<R>, id: string): Promise<CacheNote | undefined> {
    const known = this.#imported.get(cache.id) ?? new Map((await cache.notes()).map(({ key, note }) => [key, note]));
    this.#imported.set(cache.id, known);
    return known.get(id);
  }
}
