import type { Digest, Platform } from "../core/index.ts";
import { Semaphore, inParallel } from "../io/index.ts";
import { type Definition, type Rewritten, type SourceOp, loadError, replaceSources, sourcesOf } from "../llb/index.ts";
import { prefixed } from "./session.ts";

/** How many sources are judged at a time. */
const AT_ONCE = 16;

/** Returns the source to use in place of a given one: see `judgeSource`. */
export type Judge = (source: SourceOp, platform: Platform | undefined) => Promise<SourceOp>;

/**
 * Judges all sources of a definition, also those that its result does not need, and replaces those that policies change. The
 * digests of other ops stay as they are.
 *
 * @throws {VarveError} `failed to load LLB: error evaluating the source policy: ` and why a source is not allowed; the errors of
 * `graphOf` for a malformed definition.
 */
export async function applyPolicy(definition: Definition, judge: Judge, signal?: AbortSignal): Promise<Rewritten> {
  const changed = new Map<Digest, SourceOp>();
  const slots = new Semaphore(AT_ONCE);
  await inParallel([...sourcesOf(definition)], signal, async ([digest, { op, platform }], either) => {
    const judged = await slots.run(() => judgeOne(op, platform, judge), either);
    if (!isSame(op, judged)) changed.set(digest, judged);
  });
  return replaceSources(definition, changed);
}

async function judgeOne(op: SourceOp, platform: Platform | undefined, judge: Judge): Promise<SourceOp> {
  try {
    return await judge(op, platform);
  } catch (error) {
    throw loadError(prefixed(error, "error evaluating the source policy"));
  }
}

function isSame(a: SourceOp, b: SourceOp): boolean {
  return (
    a.identifier === b.identifier &&
    a.attrs.size === b.attrs.size &&
    [...a.attrs].every(([key, value]) => b.attrs.get(key) === value)
  );
}
