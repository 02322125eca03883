import { byteStringOf } from "../../linux/index.ts";
import type { RecordRow, Records } from "../../record/index.ts";
import { type LayerEntry, type TracedTable, joinVersions, stackLayers } from "../../traced/index.ts";
import { readUpper } from "./upper-entries.ts";

/** The entries of layers that are on the disk. */
export class LayerFiles {
  readonly #records: Records;
  readonly #table: TracedTable;

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
        versions.push(await this.#table.layer(directory, read));
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
    return await readUpper(byteStringOf(directory), { contents: false, signal });
  }
}
