import { hash, randomBytes } from "node:crypto";
import { VarveError } from "../core/index.ts";
import type { Database } from "../state/index.ts";
import { type ExplainedBuild, decodeSteps, encodeSteps } from "./builds.ts";
import { decodeFacts, encodeFacts, type StoredFacts } from "./facts-codec.ts";
import { CHUNK_ID_BYTES, type FileChunk, type FileList } from "./files/list.ts";
import { type KnownStep, type KnownSteps, MAX_CANDIDATES, stageOf } from "./known-steps.ts";
import type { Place } from "./place.ts";
import { explainTables } from "./schema.ts";
import { Sealer } from "./sealer.ts";

/** What is recorded of a step: its facts, its results, and the lists of files that the facts name, by their ids. */
export interface StepRecord {
  readonly facts: StoredFacts;
  /** Ids of the step's results in the cache. */
  readonly results: readonly string[];
  readonly lists: ReadonlyMap<string, FileList>;
}

/** Maximum number of steps whose results are gone. */
const MAX_PRUNED = 2_000;

/** Maximum number of builds. */
const MAX_BUILDS = 100;

interface Row {
  readonly result: string;
  readonly scope: string;
  readonly made_at: number;
  readonly pruned_at: number | null;
  readonly facts: Uint8Array;
}

/** What results are: records of the engine's cache, or images of the classic builder. Steps of one kind are not compared with those of another. */
export type ResultKind = "record" | "image";

/** What the scopes of steps that make images start with. */
const IMAGES = "images ";

/**
 * What the keys of a store's cached results were made of. A list of files consists of chunks, which lists share.
 *
 * @example
 * const table = new ExplainTable(database);
 * table.save("project", [{ facts, results: ["17"], lists }]);
 */
export class ExplainTable implements KnownSteps {
  readonly #state: Database;
  readonly #results: ResultKind;
  #sealer: Sealer | undefined;

  constructor(state: Database, { results = "record" }: { readonly results?: ResultKind } = {}) {
    state.install(explainTables);
    this.#state = state;
    this.#results = results;
  }

  /** The sealer of this store. Its key is made when it is first needed. */
  get sealer(): Sealer {
    this.#sealer ??= new Sealer(this.#key());
    return this.#sealer;
  }

  /** Records steps that have run, in one transaction. A full disk is no error: then nothing is recorded. */
  save(scope: string, steps: readonly StepRecord[]): void {
    this.#state.transaction(() => {
      for (const step of steps) this.#save(this.#stored(scope), step);
    });
  }

  at(scope: string, place: Place): KnownStep[] {
    return this.#steps("scope = ? AND stage = ? AND position = ?", this.#stored(scope), stageOf(place), place.step);
  }

  withInstruction(instruction: string): KnownStep[] {
    return this.#steps("instruction = ?", digest(instruction));
  }

  ofResult(result: string): KnownStep | undefined {
    return this.stepsOf(result)[0];
  }

  /** Returns what is known of all steps that made a result. */
  stepsOf(result: string): KnownStep[] {
    return this.#steps("result = ?", result);
  }

  isSameResult(a: string, b: string): boolean {
    return a === b;
  }

  hasProject(scope: string): boolean {
    return this.#state.get("SELECT 1 FROM explain_step WHERE scope = ? LIMIT 1", this.#stored(scope)) !== undefined;
  }

  hasStage(scope: string, place: Place): boolean {
    const sql = "SELECT 1 FROM explain_step WHERE scope = ? AND stage = ? LIMIT 1";
    return this.#state.get(sql, this.#stored(scope), stageOf(place)) !== undefined;
  }

  hasList(id: string): boolean {
    return this.#state.get("SELECT 1 FROM explain_list WHERE id = ?", id) !== undefined;
  }

  list(id: string): FileList | undefined {
    const row = this.#state.get<{ chunks: Uint8Array }>("SELECT chunks FROM explain_list WHERE id = ?", id);
    if (row === undefined) return undefined;
    const read = (id: Buffer): Uint8Array => this.#chunk(id);
    const chunks = Array.from(chunkIds(row.chunks), (chunk): FileChunk => ({
      id: chunk.toString("hex"),
      // Most chunks of a list are not read, because the other list has them too.
      get bytes() {
        return read(chunk);
      },
    }));
    return { chunks };
  }

  #chunk(id: Buffer): Uint8Array {
    const found = this.#state.get<{ files: Uint8Array }>("SELECT files FROM explain_chunk WHERE id = ?", id);
    if (found === undefined) throw new VarveError("corrupt", "Cannot read a list of files: a part of it is missing");
    return found.files;
  }

  /** Stores what is known of the steps of a build. The newest builds are kept. */
  saveBuild(build: ExplainedBuild): void {
    this.#state.transaction(() => {
      const sql = "INSERT INTO explain_build (ref, ended_at, steps) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
      this.#state.note(sql, build.ref, build.endedAt, encodeSteps(build.steps));
      this.#state.run(
        `DELETE FROM explain_build WHERE ref IN
          (SELECT ref FROM explain_build ORDER BY ended_at DESC LIMIT -1 OFFSET ${MAX_BUILDS})`,
      );
    });
  }

  /** Returns the builds whose ref begins with a text, newest first. Builds that were cached as a whole are not among them. */
  builds(prefix = ""): ExplainedBuild[] {
    const sql = "SELECT * FROM explain_build WHERE substr(ref, 1, ?) = ? ORDER BY ended_at DESC";
    const rows = this.#state.all<{ ref: string; ended_at: number; steps: Uint8Array }>(sql, prefix.length, prefix);
    return rows.map(({ ref, ended_at: endedAt, steps }) => ({ ref, endedAt, steps: decodeSteps(steps) }));
  }

  /**
   * Drops what belongs to results that do not exist any more. Of their steps, the newest are kept without their lists, so that a later
   * build can say that the result was removed.
   */
  prune(exists: (result: string) => boolean): void {
    this.#state.transaction(
      () => {
        const sql = "SELECT DISTINCT result FROM explain_step WHERE pruned_at IS NULL";
        const gone = this.#state.all<{ result: string }>(sql).filter(({ result }) => !exists(result));
        for (const { result } of gone)
          this.#state.run("UPDATE explain_step SET pruned_at = ? WHERE result = ?", Date.now(), result);
        this.#state.run(
          `DELETE FROM explain_step WHERE (result, op) IN (SELECT result, op FROM explain_step WHERE pruned_at IS NOT NULL
            ORDER BY pruned_at DESC, made_at DESC LIMIT -1 OFFSET ${MAX_PRUNED})`,
        );
        if (gone.length > 0) this.#sweep();
      },
      { frees: true },
    );
  }

  /** Removes the lists that no step with a result names, and the chunks that no list has. */
  #sweep(): void {
    const steps = this.#state.all<Row>("SELECT * FROM explain_step WHERE pruned_at IS NULL");
    const used = new Set(steps.flatMap((row) => factsOf(row)?.inputs.map(({ list }) => list) ?? []));
    const chunks = new Set<string>();
    for (const { id, chunks: ids } of this.#state.all<{ id: string; chunks: Uint8Array }>("SELECT * FROM explain_list"))
      if (used.has(id)) for (const chunk of chunkIds(ids)) chunks.add(chunk.toString("hex"));
      else this.#state.run("DELETE FROM explain_list WHERE id = ?", id);
    for (const { id } of this.#state.all<{ id: Uint8Array }>("SELECT id FROM explain_chunk"))
      if (!chunks.has(Buffer.from(id).toString("hex"))) this.#state.run("DELETE FROM explain_chunk WHERE id = ?", id);
  }

  #save(scope: string, { facts, results, lists }: StepRecord): void {
    for (const [id, { chunks }] of lists) {
      if (this.#state.get("SELECT 1 FROM explain_list WHERE id = ?", id) !== undefined) continue;
      const ids = Buffer.from(chunks.map((chunk) => chunk.id).join(""), "hex");
      for (const chunk of chunks) this.#saveChunk(chunk);
      this.#state.note("INSERT INTO explain_list (id, chunks) VALUES (?, ?)", id, ids);
    }
    const { place, op, instruction } = facts;
    for (const result of results)
      this.#state.note(
        `INSERT INTO explain_step (result, op, scope, stage, position, instruction, made_at, facts)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET scope = excluded.scope, made_at = excluded.made_at,
          pruned_at = NULL, facts = excluded.facts`,
        result,
        op,
        scope,
        place === undefined ? "" : stageOf(place),
        place?.step ?? 0,
        digest(instruction),
        Date.now(),
        encodeFacts(facts),
      );
  }

  #saveChunk({ id, bytes }: FileChunk): void {
    const key = Buffer.from(id, "hex");
    if (this.#state.get("SELECT 1 FROM explain_chunk WHERE id = ?", key) !== undefined) return;
    this.#state.note("INSERT INTO explain_chunk (id, files) VALUES (?, ?)", key, bytes);
  }

  #steps(where: string, ...values: readonly (string | number)[]): KnownStep[] {
    const isImage = `substr(scope, 1, ${IMAGES.length}) = '${IMAGES}'`;
    const kind = this.#results === "image" ? isImage : `NOT ${isImage}`;
    const sql = `SELECT * FROM explain_step WHERE ${where} AND ${kind} ORDER BY made_at DESC LIMIT ${MAX_CANDIDATES}`;
    return this.#state.all<Row>(sql, ...values).flatMap((row) => {
      const facts = factsOf(row);
      return facts === undefined
        ? []
        : [
            {
              facts,
              result: row.result,
              scope: this.#scopeOf(row),
              madeAt: row.made_at,
              isPruned: row.pruned_at !== null,
            },
          ];
    });
  }

  #stored(scope: string): string {
    return this.#results === "image" ? IMAGES + scope : scope;
  }

  #scopeOf({ scope }: Row): string {
    return this.#results === "image" ? scope.slice(IMAGES.length) : scope;
  }

  #key(): Uint8Array {
    const sql = "SELECT key FROM explain_key WHERE id = 1";
    const known = this.#state.get<{ key: Uint8Array }>(sql)?.key;
    if (known !== undefined) return known;
    this.#state.run("INSERT INTO explain_key (id, key) VALUES (1, ?) ON CONFLICT DO NOTHING", randomBytes(32));
    return this.#state.get<{ key: Uint8Array }>(sql)?.key ?? randomBytes(32);
  }
}

/** Returns the facts in a row; undefined if they are damaged, which must not fail a build. */
function factsOf({ facts }: Row): StoredFacts | undefined {
  try {
    return decodeFacts(facts);
  } catch {
    return undefined;
  }
}

function digest(text: string): string {
  return hash("sha256", text).slice(0, 32);
}

function* chunkIds(ids: Uint8Array): Generator<Buffer> {
  const bytes = Buffer.from(ids.buffer, ids.byteOffset, ids.byteLength);
  for (let at = 0; at + CHUNK_ID_BYTES <= bytes.length; at += CHUNK_ID_BYTES)
    yield bytes.subarray(at, at + CHUNK_ID_BYTES);
}
