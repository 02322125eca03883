import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { FrontendInputs } from "../dockerfile/contexts.ts";
import { type GraphLoading, loadRef } from "../result/definition.ts";

/** Reads the graphs that a request passes by name: serialised definitions. */
export async function loadInputs(
  inputs: ReadonlyMap<string, Uint8Array>,
  loading: GraphLoading,
): Promise<FrontendInputs> {
  for (const bytes of inputs.values())
    if (bytes.byteLength === 0) throw new GrpcError(GrpcCode.unknown, "invalid nil input definition to definition op");
  const loaded = Array.from(inputs, async ([name, bytes]) => [name, (await loadRef(bytes, loading))?.edge] as const);
  return new Map(await Promise.all(loaded));
}
