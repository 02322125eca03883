import { messageOf } from "../../../core/index.ts";
import type { Store } from "../../../engine/index.ts";
import { loadImages, loadedNames, saveStoredImages } from "../../../images/index.ts";
import type { HttpResponse } from "../../http/index.ts";
import { Limits, type Platform, formatReference } from "../../../core/index.ts";
import { limited } from "../../../io/index.ts";
import { type ApiImage, findImage, allApiImages, referenceOf } from "../images/api-image.ts";
import type { Call, DockerApi, Endpoint } from "../api.ts";
import { apiError } from "../errors.ts";
import { jsonPlatform } from "../platforms.ts";
import { progressStream } from "../progress-stream.ts";

export const load: Endpoint = async (call, { store, events }) => {
  const platform = jsonPlatform(call, "platform", "1.48");
  const { request } = call;
  return await progressStream(request.signal, async (emit, signal) => {
    // Clients expect errors of the archive in the stream, so an error may be the first message.
    try {
      const body = limited(request.body, Limits.layerUnpacked, { what: "the archive" });
      await loadImages(store, body, {
        platform,
        signal,
        onLoaded: (loaded) => {
          const id = loaded.image?.id ?? loaded.descriptor.digest;
          const what = loaded.names.length === 0 ? "Loaded image ID" : "Loaded image";
          events.image("load", id, id, loaded.image?.config);
          for (const name of loadedNames(loaded)) emit({ stream: `${what}: ${name}\n` });
        },
      });
    } catch (error) {
      const message = messageOf(error);
      emit({ errorDetail: { message }, error: message });
    }
  });
};

export const saveOne: Endpoint = async (call, api) => await save([call.name], call, api);

export const saveSeveral: Endpoint = async (call, api) => {
  const names = call.query.getAll("names").filter((name) => name !== "");
  if (names.length === 0) throw apiError(400, "no images to save");
  return await save(names, call, api);
};

/**
 * Saves images. A name with a tag saves that tag, a repository saves all its tags, and an ID saves the image without names.
 */
async function save(names: readonly string[], call: Call, { store, events }: DockerApi): Promise<HttpResponse> {
  const platform = jsonPlatform(call, "platform", "1.48");
  const chosen = (await Promise.all(names.map((name) => chosenBy(name, platform, store)))).flat();
  const images = chosen.map(({ image, names }) => ({ descriptor: image.manifest, names }));
  const bytes = saveStoredImages(store, images, { signal: call.request.signal });
  // Reads the first chunk before it responds, so that a missing blob still fails with an error status.
  const first = await bytes.next();
  for (const { image } of chosen) events.image("save", image.id, image.id, image.config);
  return { status: 200, headers: { "Content-Type": "application/x-tar" }, body: resumed(first, bytes) };
}

interface Chosen {
  readonly image: ApiImage;
  readonly names: readonly string[];
}

async function chosenBy(name: string, platform: Platform | undefined, store: Store): Promise<Chosen[]> {
  const reference = referenceOf(name);
  const tagged = (image: ApiImage): string[] =>
    image.references
      .filter((each) => each.registry === reference?.registry && each.repository === reference.repository)
      .filter(({ tag }) => tag !== undefined)
      .map(formatReference);
  if (reference !== undefined && reference.tag === undefined && reference.digest === undefined) {
    const all = (await allApiImages(store)).map((image) => ({ image, names: tagged(image) }));
    const found = all.filter(({ names }) => names.length > 0);
    const wanted = async ({ image, names: [first = name, ...others] }: Chosen): Promise<Chosen> => ({
      image: platform === undefined ? image : await findImage(store, first, platform),
      names: [first, ...others],
    });
    if (found.length > 0) return await Promise.all(found.map(wanted));
  }
  const image = await findImage(store, name, platform);
  return [
    {
      image,
      names: reference?.tag === undefined ? [] : tagged(image).filter((each) => each === formatReference(reference)),
    },
  ];
}

async function* resumed(
  first: IteratorResult<Uint8Array>,
  rest: AsyncGenerator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (first.done !== true) yield first.value;
  yield* rest;
}
