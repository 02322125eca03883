import { Annotation } from "../../core/index.ts";
import type { LayerBlob, RemoteLayer } from "../../record/index.ts";
import { toOciType } from "../document/layer-types.ts";

/** Returns a layer of this machine as a cache document lists it. */
export function exportedLayer(layer: LayerBlob, { omitTime }: { readonly omitTime: boolean }): RemoteLayer {
  const { digest, size, mediaType, annotations = {} } = layer.descriptor;
  const { [Annotation.uncompressed]: _diffId, [Annotation.createdAt]: time, ...rest } = annotations;
  const timed = !omitTime && time !== undefined;
  return {
    digest,
    size,
    mediaType: toOciType(mediaType),
    diffId: layer.diffId,
    sources: layer.sources,
    annotations: timed ? { ...rest, [Annotation.createdAt]: time } : rest,
    createdAt: timed ? layer.createdAt : undefined,
  };
}
