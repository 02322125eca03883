import type { Digest } from "../../core/index.ts";
import { timeToMilliseconds } from "../../remotecache/index.ts";
import { decodeRun, rootRecord } from "../../traced/index.ts";
import type { ResultCache } from "../cache/imports.ts";
import { type KnownRun, remoteRun } from "./known-run.ts";

/** Milliseconds to wait for what imported caches say of their records. */
const PATIENCE = 10_000;

interface ImportedStepKey {
  /** The cache digest of the op. */
  readonly op: Digest;
  /** Undefined: any. */
  readonly others?: string | undefined;
}

/** Returns the runs of a step that imported caches tell of, the newest first. What cannot be read is left out. */
export async function importedRuns(
  step: ImportedStepKey,
  caches: readonly ResultCache[],
  signal: AbortSignal,
): Promise<KnownRun[]> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
  const all = await Promise.all(caches.map((cache) => runsIn(cache, step, limited)));
  return all.flat().sort((a, b) => b.madeAt - a.madeAt);
}

async function runsIn(cache: ResultCache, { op, others }: ImportedStepKey, signal: AbortSignal): Promise<KnownRun[]> {
  const record = rootRecord(op);
  const now = Date.now();
  const notes = await cache.notes(signal);
  return notes.flatMap(({ record: digest, note, results }) => {
    const run = digest === record && note.trace !== undefined ? decodeRun(note.trace, record) : undefined;
    if (run === undefined || (others !== undefined && run.others !== others)) return [];
    return results
      .filter(({ layers }) => cache.hasLayers(layers))
      .flatMap(({ layers, createdAt }) => {
        const time = Math.min(timeToMilliseconds(createdAt), now);
        return remoteRun(run, { layers, createdAt: time }) ?? [];
      });
  });
}
