import type { Digest } from "../../core/index.ts";
import { type UpperTree, directoryUpper } from "../../layer/index.ts";
import type { RecordRow, Records } from "../../record/index.ts";
import { type LayerEntry, type TracedTable, joinVersions } from "../../traced/index.ts";
import { readUpper } from "./upper-entries.ts";

/** A layer, as far as it is compared with others. Layers with the same id or the same diffID are the same. */
export interface ComparedLayer {
  readonly id: string;
  readonly diffId: Digest | undefined;
  /** The directory with the layer's files; of a new version of another layer, that of the first version. Undefined if it is not here. */
  readonly directory?: string | undefined;
  /** Returns what is in the layer; undefined if that is not known, as of a base image. */
  entries(signal: AbortSignal): Promise<readonly LayerEntry[] | undefined>;
  /** The same, but the contents of files need not be right. Undefined also for a layer that is a new version of another one. */
  shape(signal: AbortSignal): Promise<readonly LayerEntry[] | undefined>;
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
      directory: this.#records.upperDirs(row.id)?.at(-1),
      entries: async (signal) => await this.#entries(row, signal),
      shape: async (signal) => await this.#shape(row, signal),
    };
  }

  async #entries(row: RecordRow, signal: AbortSignal): Promise<readonly LayerEntry[] | undefined> {
    const kept = this.#table.keptLayer(row.id);
    if (kept !== undefined) return kept;
    const directories = isOfImage(row) ? undefined : this.#records.upperDirs(row.id);
    if (directories === undefined) return undefined;
    const versions: (readonly LayerEntry[])[] = [];
    for (const directory of directories.toReversed()) {
      const read = (): Promise<LayerEntry[]> => readUpper(upperOf(directory), { contents: true, signal });
      versions.push(await once(this.#read, directory, () => this.#table.layer(directory, read)));
    }
    return joinVersions(versions);
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

/** Returns the tree of a layer's directory. Only root traces steps, so that overlayfs uses these attributes. */
function upperOf(directory: string): UpperTree {
  return directoryUpper(directory, { kind: "overlay", prefix: "trusted.overlay." });
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
