import type { FrontendInputs } from "../dockerfile/contexts.ts";
import { type GraphLoading, loadRef } from "../result/definition.ts";

/** Reads the graphs that a request passes by name: serialised definitions. */
export async function loadInputs(
  inputs: ReadonlyMap<string, Uint8Array>,
  loading: GraphLoading,
): Promise<FrontendInputs> {
  const loaded = Array.from(inputs, async ([name, bytes]) => [name, (await loadRef(bytes, loading))?.edge] as const);
  return new Map(await Promise.all(loaded));
}
