import type { SolveResult } from "../../solver/index.ts";
import { type ImageBlob, inlineRecords } from "../document/inline.ts";
import { exportGraph } from "./export-graph.ts";
import type { ResultOptions } from "./result-finder.ts";

/**
 * Returns the cache to write into the config of an image with `patchImageConfig`: the records of one platform's result, in min mode,
 * with only the results that consist of layers of the image. `imageLayers` are the layers of the final manifest, lowest first.
 * Returns undefined if there is no such result.
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
