import { availableParallelism } from "node:os";
import type { StoreOptions } from "../engine/index.ts";
import { usageError } from "./flags.ts";

/** Returns the store's options with the limit that the command line sets, as BuildKit reads it, if it sets one. */
export function withParallelism(store: StoreOptions, text: string | undefined): StoreOptions {
  return text === undefined ? store : { ...store, maxParallelism: limitOf(text) };
}

function limitOf(text: string): number | undefined {
  if (text === "num-cpu") return availableParallelism();
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : undefined;
  if (limit === undefined)
    throw usageError(`Cannot limit parallelism to ${JSON.stringify(text)}: expected a number or num-cpu`);
  return limit === 0 ? undefined : limit;
}
