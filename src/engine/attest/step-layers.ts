import { type Descriptor, type Digest, withoutInternalAnnotations } from "../../core/index.ts";
import type { StepLayers } from "../../attest/index.ts";
import { type RecordId, type Records, SCRATCH } from "../../record/index.ts";
import type { CacheKey, SolveResult } from "../../solver/index.ts";
import type { Result } from "../ops/result.ts";
import type { Session } from "../session.ts";

/** Returns a function that returns the layers of a step's outputs, for the steps of a result. Layers that are no blobs are left out. */
export function stepLayers(
  solved: SolveResult<Result> | undefined,
  { store: { records } }: Session,
): (vertex: Digest) => Promise<readonly StepLayers[]> {
  const keys = new Map<Digest, Map<number, CacheKey>>();
  for (const key of solved === undefined ? [] : keysBelow(solved.keys)) {
    if (key.vertex === undefined) continue;
    const outputs = keys.get(key.vertex) ?? new Map<number, CacheKey>();
    keys.set(key.vertex, outputs.has(key.output) ? outputs : outputs.set(key.output, key));
  }
  const chains: Chains = new Map([[SCRATCH, []]]);
  return async (vertex) => {
    const found: StepLayers[] = [];
    for (const [output, key] of keys.get(vertex) ?? []) {
      const ids = solved === undefined ? [] : await resultsOf(key, solved);
      const layers = ids.map((id) => layersOf(id, records, chains)).find((chain) => chain !== undefined);
      if (layers !== undefined) found.push({ output, layers });
    }
    return found;
  };
}

/** Returns the keys and all keys of their inputs. */
function keysBelow(tops: readonly CacheKey[]): Set<CacheKey> {
  const keys = new Set(tops);
  for (const { inputs } of keys) for (const { key } of inputs.flat()) keys.add(key);
  return keys;
}

/** Returns the records that the store's own cache has for a key. It has those of imported caches that the build has used. */
async function resultsOf(key: CacheKey, { caches: [own] }: SolveResult<Result>): Promise<RecordId[]> {
  if (own === undefined) return [];
  const found = await Promise.all(key.idsIn(own.id).map((id) => own.recordsAt(id)));
  return found.flat().map(({ result }) => result.id);
}

/** The layers of records, lowest first; undefined if one of them is no blob. */
type Chains = Map<RecordId, readonly Descriptor[] | undefined>;

/** Returns the layers of a record. The records below it are read once. */
function layersOf(id: RecordId, records: Records, chains: Chains): readonly Descriptor[] | undefined {
  if (chains.has(id)) return chains.get(id);
  const row = records.get(id);
  const below = (row?.parents ?? []).map((parent) => layersOf(parent, records, chains));
  const own = row?.kind === "merge" ? [] : row?.blob && [descriptorOf(row.blob)];
  const parts = [...below, own];
  const chain = parts.every((part) => part !== undefined) ? parts.flat() : undefined;
  chains.set(id, chain);
  return chain;
}

function descriptorOf({ mediaType, digest, size, annotations }: Descriptor): Descriptor {
  return withoutInternalAnnotations({ mediaType, digest, size, ...(annotations === undefined ? {} : { annotations }) });
}
