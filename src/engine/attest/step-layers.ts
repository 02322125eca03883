import { type Descriptor, type Digest, isVarveError, withoutInternalAnnotations } from "../../core/index.ts";
import type { StepLayers } from "../../attest/index.ts";
import type { CacheKey, SolveResult } from "../../solver/index.ts";
import { layersOf } from "../cache/exports.ts";
import type { Result } from "../ops/result.ts";
import type { Session } from "../session.ts";

/** Returns a function that returns the layers of a step's outputs, for the steps of a result. Layers that are no blobs are left out. */
export function stepLayers(
  solved: SolveResult<Result> | undefined,
  session: Session,
): (vertex: Digest) => Promise<readonly StepLayers[]> {
  const keys = new Map<Digest, Map<number, CacheKey>>();
  for (const key of solved === undefined ? [] : keysBelow(solved.keys)) {
    if (key.vertex === undefined) continue;
    const outputs = keys.get(key.vertex) ?? new Map<number, CacheKey>();
    keys.set(key.vertex, outputs.has(key.output) ? outputs : outputs.set(key.output, key));
  }
  return async (vertex) => {
    const found: StepLayers[] = [];
    for (const [output, key] of keys.get(vertex) ?? []) {
      const layers = solved && (await existingLayers(key, solved, session));
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

async function existingLayers(
  key: CacheKey,
  { caches }: SolveResult<Result>,
  { store, hold }: Session,
): Promise<Descriptor[] | undefined> {
  const find = layersOf(store, hold, {});
  for (const cache of caches)
    for (const id of key.idsIn(cache.id))
      for (const record of await cache.recordsAt(id)) {
        try {
          const layers = await find(record, { create: false });
          if (layers !== undefined) return layers.map(({ descriptor }) => withoutInternalAnnotations(descriptor));
        } catch (error) {
          // A record that is gone has no layers.
          if (!isVarveError(error, "not-found", "corrupt", "remote", "unauthorized")) throw error;
        }
      }
  return undefined;
}
