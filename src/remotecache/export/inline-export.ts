import type { SolveResult } from "../../solver/index.ts";
import { type ImageBlob, inlineRecords } from "../document/inline.ts";
import { exportGraph } from "./export-graph.ts";
import type { ResultOptions } from "./results.ts";

/**
 * The cache to be written into the config of an image, as `patchImageConfig` takes it: the records that led to one
 * platform's result, with those of their results that are made of the image's layers. Always min mode. The layers are those
 * of the final manifest, lowest first. Undefined if no result is made of them.
 */
export async function inlineCache<R>(
  solved: SolveResult<R>,
  imageLayers: readonly ImageBlob[],
  options: Omit<ResultOptions<R>, "mode">,
): Promise<Uint8Array | undefined> {
  const { graph } = await exportGraph([solved], { ...options, mode: "min" });
  const records = inlineRecords(graph, imageLayers);
  return records === undefined ? undefined : Buffer.from(records, "base64");
}
