import { byteStringOf } from "../../linux/index.ts";
import type { RecordRow, Records } from "../../record/index.ts";
import { type LayerEntry, type TracedTable, joinVersions, stackLayers } from "../../traced/index.ts";
import { readUpper } from "./upper-entries.ts";

/** The entries of layers that are on the disk. Each directory is read once: earlier runs of a step have most of them in common. */
export class LayerFiles {
  readonly #records: Records;
  readonly #table: TracedTable;
  readonly #read = new Map<string, Promise<readonly LayerEntry[]>>();
  readonly #shapes = new Map<string, Promise<readonly LayerEntry[]>>();

  constructor(records: Records, table: TracedTable) {
    this.#records = records;
    this.#table = table;
  }

  /** Returns the stack of layers, lowest first; undefined if one of them is not on the disk. */
  async stack(layers: readonly RecordRow[], signal: AbortSignal): Promise<ReturnType<typeof stackLayers> | undefined> {
    const entries: (readonly LayerEntry[])[] = [];
    for (const { id } of layers) {
      const directories = this.#records.upperDirs(id);
      if (directories === undefined) return undefined;
      const versions: (readonly LayerEntry[])[] = [];
      for (const directory of directories.toReversed()) {
        const read = (): Promise<LayerEntry[]> => readUpper(byteStringOf(directory), { contents: true, signal });
        versions.push(await once(this.#read, directory, () => this.#table.layer(directory, read)));
      }
      entries.push(joinVersions(versions));
    }
    return stackLayers(entries);
  }

  /** Returns the entries of one layer with equal contents; undefined if it is not on the disk, or is a new version of another one. */
  async shape({ id }: RecordRow, signal: AbortSignal): Promise<readonly LayerEntry[] | undefined> {
    const directories = this.#records.upperDirs(id) ?? [];
    const [directory] = directories;
    if (directory === undefined || directories.length > 1) return undefined;
    const read = (): Promise<LayerEntry[]> => readUpper(byteStringOf(directory), { contents: false, signal });
    return await once(this.#shapes, directory, read);
  }
}

function once<T>(known: Map<string, Promise<T>>, key: string, work: () => Promise<T>): Promise<T> {
  const made = known.get(key) ?? work();
  known.set(key, made);
  return made;
}
