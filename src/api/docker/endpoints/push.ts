import { pushStoredImage } from "../../../images/index.ts";
import { type Reference, familiarReference, formatReference } from "../../../core/index.ts";
import { type Endpoint, registryFor } from "../api.ts";
import { apiError } from "../errors.ts";
import { type ApiImage, findImage, allApiImages, referenceOf } from "../images/api-image.ts";
import { PUSH_STATUSES, layerProgress, shortId } from "../layer-progress.ts";
import { progressStream, waitStatus } from "../progress-stream.ts";
import { targetReference } from "../parameters.ts";
import { jsonPlatform } from "../platforms.ts";
import { text } from "../query.ts";
import { requestCredentials } from "../registry-auth.ts";

/** Pushes one tag, or all tags of a repository. Reports an unknown image in the stream, as clients expect. */
export const push: Endpoint = async (call, api) => {
  const { name, query, request } = call;
  if (referenceOf(name) === undefined) throw apiError(400, "invalid reference format");
  const platform = jsonPlatform(call, "platform", "1.46");
  const tag = text(query, "tag");
  const { tag: namedTag, ...named } = targetReference(name, tag);
  const all = tag === undefined && !/:[^/]*$/.test(name);
  return await progressStream(request.signal, async (emit, signal) => {
    using registry = registryFor(api, requestCredentials(request.headers.get("x-registry-auth")));
    emit({ status: `The push refers to repository [${formatReference(named)}]` });
    const images = taggedImages(await allApiImages(api.store), named, all ? undefined : namedTag);
    if (images.length === 0)
      throw apiError(404, `An image does not exist locally with the tag: ${familiarReference(named)}`);
    for (const { image: listed, reference } of images) {
      const image =
        platform === undefined ? listed : await findImage(api.store, familiarReference(reference), platform);
      const { manifest: descriptor, layers } = image;
      // Docker shows layers by their diffIDs.
      const diffIds = new Map(layers.map((layer) => [layer.descriptor.digest, layer.diffId]));
      for (const diffId of diffIds.values()) emit({ status: "Preparing", progressDetail: {}, id: shortId(diffId) });
      await pushStoredImage(api.store, { name: familiarReference(reference), descriptor }, reference, {
        registry,
        signal,
        onTransfer: layerProgress(diffIds, PUSH_STATUSES, emit),
        onWait: waitStatus(emit),
      });
      const { digest, size } = descriptor;
      emit({ status: `${reference.tag}: digest: ${digest} size: ${size}` });
      emit({ aux: { Tag: reference.tag, Digest: digest, Size: size } });
      api.events.image("push", familiarReference(reference), familiarReference(named), image.config);
    }
  });
};

interface Tagged {
  readonly image: ApiImage;
  readonly reference: Reference;
}

function taggedImages(all: readonly ApiImage[], named: Reference, tag: string | undefined): Tagged[] {
  return all.flatMap((image) =>
    image.references
      .filter(({ registry, repository }) => registry === named.registry && repository === named.repository)
      .filter((each) => (tag === undefined ? each.tag !== undefined : each.tag === tag))
      .map((reference) => ({ image, reference })),
  );
}
