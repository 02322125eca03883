import type { Digest } from "../../core/index.ts";
import type { RecordRow, Records } from "../../record/index.ts";
import { type LayerEntry, type TracedTable, joinVersions } from "../../traced/index.ts";
import { readUpper, upperOf } from "./upper-entries.ts";

/** A layer, as far as it is compared with others. Layers with the same id or the same diffID are the same. */
export interface ComparedLayer {
  readonly id: string;
  readonly diffId: Digest | undefined;
  /** The directories with the layer's files: that of its first version, and of each further one what it changes. Undefined: not here. */
  readonly versions?: readonly LayerVersion[] | undefined;
  /** Returns what is in the layer; undefined if that is not known, as of a base image. */
  entries(signal: AbortSignal): Promise<readonly LayerEntry[] | undefined>;
  /** The same, but the contents of files need not be right. Undefined also for a layer that is a new version of another one. */
  shape(signal: AbortSignal): Promise<readonly LayerEntry[] | undefined>;
}

/** A directory of a layer. */
export interface LayerVersion {
  readonly directory: string;
  entries(signal: AbortSignal): Promise<readonly LayerEntry[]>;
}

/** The layers of records. Each directory is read once: earlier runs of a step have most of them in common. */
export class LayerFiles {
  readonly #records: Records;
  readonly #table: TracedTable;
  readonly #read = new Map<string, Promise<readonly LayerEntry[]>>();
  readonly #shapes = new Map<string, Promise<readonly LayerEntry[]>>();

  constructor(records: Records, table: TracedTable) {
    this.#records = records;
    this.#table = table;
  }

  of(row: RecordRow): ComparedLayer {
    return {
      id: row.id,
      diffId: row.blob?.diffId,
      versions: this.#versions(row),
      entries: async (signal) => await this.#entries(row, signal),
      shape: async (signal) => await this.#shape(row, signal),
    };
  }

  async #entries(row: RecordRow, signal: AbortSignal): Promise<readonly LayerEntry[] | undefined> {
    const kept = this.#table.keptLayer(row.id);
    if (kept !== undefined) return kept;
    const versions = this.#versions(row);
    if (versions === undefined) return undefined;
    const lists: (readonly LayerEntry[])[] = [];
    for (const version of versions) lists.push(await version.entries(signal));
    return joinVersions(lists);
  }

  #versions(row: RecordRow): LayerVersion[] | undefined {
    const directories = isOfImage(row) ? undefined : this.#records.upperDirs(row.id);
    return directories?.toReversed().map((directory) => ({
      directory,
      entries: async (signal) => {
        const read = (): Promise<LayerEntry[]> => readUpper(upperOf(directory), { contents: true, signal });
        return await once(this.#read, directory, () => this.#table.layer(directory, read));
      },
    }));
  }

  async #shape(row: RecordRow, signal: AbortSignal): Promise<readonly LayerEntry[] | undefined> {
    const directories = this.#records.upperDirs(row.id) ?? [];
    const [directory] = directories;
    if (directories.length > 1) return undefined;
    if (directory === undefined) return this.#table.keptLayer(row.id);
    const read = (): Promise<LayerEntry[]> => readUpper(upperOf(directory), { contents: false, signal });
    return await once(this.#shapes, directory, read);
  }
}

/** True for a layer that was fetched, or can be: it may have very many files, and all of them were there before. */
function isOfImage({ blob }: RecordRow): boolean {
  return blob !== undefined && blob.sources.length > 0;
}

function once<T>(known: Map<string, Promise<T>>, key: string, work: () => Promise<T>): Promise<T> {
  const made = known.get(key) ?? work();
  known.set(key, made);
  return made;
}
