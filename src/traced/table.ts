import { type Digest, isDigest } from "../core/index.ts";
import type { Database, Row } from "../state/index.ts";
import { type Accesses, decodeAccesses, encodeAccesses } from "./accesses.ts";
import { decodeLayer, encodeLayer } from "./layer-codec.ts";
import type { LayerEntry } from "./layer-entry.ts";
import { type TracedMounts, decodeMounts, encodeMounts } from "./mounts.ts";
import { readable } from "./portable.ts";
import { tracedTables } from "./schema.ts";

/** A run of a step that was traced. */
export interface TracedStep {
  /** The cache digest of the op. */
  readonly op: Digest;
  /** The record that its root started as. */
  readonly input: string;
  /** Identifies all that the step gets besides its root. */
  readonly others: string;
  /** The record of its root after the run. */
  readonly result: string;
  /** When the result was made: milliseconds since 1970. */
  readonly madeAt: number;
  readonly accesses: Accesses;
  /** Undefined if it is not known what the step has opened in its bind mounts, or if it has none. */
  readonly mounts?: TracedMounts | undefined;
}

/** Runs of one op that are remembered. */
const MAX_RUNS = 8;
/** Runs of all ops. */
const MAX_STEPS = 1_000;
/** Directories whose entries are remembered. */
const MAX_LAYERS = 256;

/** What steps have opened, and what is in the layers that they ran on. */
export class TracedTable {
  readonly #state: Database;

  constructor(state: Database) {
    state.install(tracedTables);
    this.#state = state;
  }

  /** Yields the runs of an op, the newest first. Runs that cannot be read are left out. */
  *runs(op: Digest): Generator<TracedStep> {
    const rows = this.#state.all("SELECT * FROM traced_step WHERE op = ? ORDER BY made_at DESC", op);
    for (const row of rows) {
      const step = stepOf(row);
      if (step !== undefined) yield step;
    }
  }

  /** Returns the runs that made a record, without those that cannot be read. */
  ofResult(result: string): TracedStep[] {
    const rows = this.#state.all("SELECT * FROM traced_step WHERE result = ? ORDER BY made_at DESC", result);
    return rows.flatMap((row) => stepOf(row) ?? []);
  }

  knows(op: Digest): boolean {
    return this.#state.get("SELECT 1 FROM traced_step WHERE op = ?", op) !== undefined;
  }

  save({ op, input, others, result, madeAt, accesses, mounts }: TracedStep): void {
    const encoded = [encodeAccesses(accesses), mounts === undefined ? null : encodeMounts(mounts)];
    this.#state.transaction(() => {
      const sql =
        "INSERT OR REPLACE INTO traced_step (op, input, others, result, made_at, accesses, mounts) VALUES (?, ?, ?, ?, ?, ?, ?)";
      this.#state.run(sql, op, input, others, result, madeAt, ...encoded);
      const old = "SELECT made_at FROM traced_step WHERE op = ? ORDER BY made_at DESC LIMIT 1 OFFSET ?";
      this.#state.run(`DELETE FROM traced_step WHERE op = ? AND made_at <= (${old})`, op, op, MAX_RUNS);
      const oldest = "SELECT made_at FROM traced_step ORDER BY made_at DESC LIMIT 1 OFFSET ?";
      this.#state.run(`DELETE FROM traced_step WHERE made_at <= (${oldest})`, MAX_STEPS);
    });
  }

  /** Forgets all runs of an op, and records none from now on. */
  distrust(op: Digest): void {
    this.#state.transaction(() => {
      this.#state.run("DELETE FROM traced_step WHERE op = ?", op);
      this.#state.run("INSERT OR IGNORE INTO traced_distrust VALUES (?)", op);
    });
  }

  isDistrusted(op: Digest): boolean {
    return this.#state.get("SELECT 1 FROM traced_distrust WHERE op = ?", op) !== undefined;
  }

  /** Returns the entries of a layer's directory; `read` is called the first time. */
  async layer(directory: string, read: () => Promise<readonly LayerEntry[]>): Promise<readonly LayerEntry[]> {
    const known = this.#savedLayer(directory);
    if (known !== undefined) return known;
    const entries = await read();
    this.#saveLayer(directory, entries);
    return entries;
  }

  /** Returns the entries of the layer of a record whose files are not here, as another machine has told them. */
  keptLayer(record: string): readonly LayerEntry[] | undefined {
    return this.#savedLayer(keptName(record));
  }

  /** Remembers the entries of the layer of a record. */
  keepLayer(record: string, entries: readonly LayerEntry[]): void {
    this.#saveLayer(keptName(record), entries);
  }

  /** Returns the entries of what a step had mounted, by its content key; undefined if they are not known any more. */
  mountedFiles(content: Digest): readonly LayerEntry[] | undefined {
    return this.#savedLayer(mountName(content));
  }

  /** Remembers the entries of what a step has mounted. */
  keepMounted(content: Digest, entries: readonly LayerEntry[]): void {
    this.#saveLayer(mountName(content), entries);
  }

  #savedLayer(name: string): readonly LayerEntry[] | undefined {
    const sql = "SELECT entries FROM traced_layer WHERE directory = ?";
    const row = this.#state.get<{ entries: Uint8Array }>(sql, name);
    return row === undefined ? undefined : readable(() => decodeLayer(row.entries));
  }

  #saveLayer(name: string, entries: readonly LayerEntry[]): void {
    this.#state.transaction(() => {
      const sql = "INSERT OR REPLACE INTO traced_layer (directory, used_at, entries) VALUES (?, ?, ?)";
      this.#state.run(sql, name, Date.now(), encodeLayer(entries));
      const oldest = "SELECT directory FROM traced_layer ORDER BY used_at DESC LIMIT -1 OFFSET ?";
      this.#state.run(`DELETE FROM traced_layer WHERE directory IN (${oldest})`, MAX_LAYERS);
    });
  }
}

function keptName(record: string): string {
  return `record ${record}`;
}

function mountName(content: Digest): string {
  return `mount ${content}`;
}

function stepOf(row: Row): TracedStep | undefined {
  const { op, input, others, result, made_at: madeAt, accesses, mounts } = row;
  if (!(accesses instanceof Uint8Array) || !isDigest(op)) return undefined;
  const decoded = readable(() => decodeAccesses(accesses));
  if (decoded === undefined) return undefined;
  return {
    op,
    input: String(input),
    others: String(others),
    result: String(result),
    madeAt: Number(madeAt),
    accesses: decoded,
    mounts: mounts instanceof Uint8Array ? readable(() => decodeMounts(mounts)) : undefined,
  };
}
