import { Annotation } from "../../core/index.ts";
import type { LayerBlob, RemoteLayer } from "../../record/index.ts";
import { toOciType } from "../document/layer-types.ts";

/** A record's layer as a cache document names it. */
export function remoteLayer(layer: LayerBlob, { omitTime }: { readonly omitTime: boolean }): RemoteLayer {
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
    ...(timed ? { createdAt: layer.createdAt } : {}),
  };
}
