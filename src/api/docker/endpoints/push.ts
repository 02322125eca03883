import { pushStoredImage } from "../../../images/index.ts";
import { type Digest, type Reference, digestHex, familiarReference, formatReference } from "../../../core/index.ts";
import type { TransferEvent } from "../../../registry/index.ts";
import { type Endpoint, registryFor } from "../api.ts";
import { refusal } from "../errors.ts";
import { type ApiImage, findImage, listCatalogue, referenceOf } from "../images/catalogue.ts";
import { type Emit, progressStream, waitStatus } from "../progress-stream.ts";
import { targetReference } from "../parameters.ts";
import { jsonPlatform } from "../platforms.ts";
import { text } from "../query.ts";
import { requestCredentials } from "../registry-auth.ts";

/** One tag, or all of a repository. An image that is not here is told of in the stream, as clients expect it. */
export const push: Endpoint = async (call, api) => {
  const { name, query, request } = call;
  if (referenceOf(name) === undefined) throw refusal(400, "invalid reference format");
  const platform = jsonPlatform(call, "platform", "1.46");
  const tag = text(query, "tag");
  const { tag: found, ...named } = targetReference(name, tag);
  const all = tag === undefined && !/:[^/]*$/.test(name);
  return await progressStream(request.signal, async (emit, signal) => {
    using registry = registryFor(api, requestCredentials(request.headers.get("x-registry-auth")));
    emit({ status: `The push refers to repository [${formatReference(named)}]` });
    const images = taggedImages(await listCatalogue(api.store), named, all ? undefined : found);
    if (images.length === 0)
      throw refusal(404, `An image does not exist locally with the tag: ${familiarReference(named)}`);
    for (const { image: shown, reference } of images) {
      const image = platform === undefined ? shown : await findImage(api.store, familiarReference(reference), platform);
      const { manifest: descriptor, layers } = image;
      const told = layerProgress(new Map(layers.map((layer) => [layer.descriptor.digest, layer.diffId])), emit);
      await pushStoredImage(api.store, { name: familiarReference(reference), descriptor }, reference, {
        registry,
        signal,
        onTransfer: told,
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

/** Layers are known by their diffIDs here, as the daemon shows them. */
function layerProgress(layers: ReadonlyMap<Digest, Digest>, emit: Emit): (event: TransferEvent) => void {
  for (const diffId of layers.values())
    emit({ status: "Preparing", progressDetail: {}, id: digestHex(diffId).slice(0, 12) });
  return ({ digest, state, current, total }) => {
    const diffId = layers.get(digest);
    if (diffId === undefined) return;
    const tell = (
      status: string,
      progressDetail: { current?: number | undefined; total?: number | undefined } = {},
    ): void => emit({ status, progressDetail, id: digestHex(diffId).slice(0, 12) });
    switch (state) {
      case "waiting":
        return tell("Waiting");
      case "running":
        return tell("Pushing", { current, total });
      case "retrying":
        return tell("Retrying");
      case "exists":
        return tell("Layer already exists");
      case "mounted":
        return tell("Mounted");
      case "done":
        return tell("Pushed");
      case "skipped":
        return tell("Skipped foreign layer");
      case "failed":
        return;
    }
  };
}
