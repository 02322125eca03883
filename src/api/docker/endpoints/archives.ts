import {
  Limits,
  type Platform,
  type VarveError,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  parseReference,
} from "../../../core/index.ts";
import { type Store, restoreImages } from "../../../build/index.ts";
import { keepUntagged, matchesPlatform, nameImage, openLocalImage } from "../../../classic/index.ts";
import { loadArchive, writeArchive } from "../../../image/index.ts";
import { limited } from "../../../io/index.ts";
import { type ApiImage, findImage, listCatalogue, referenceOf } from "../images/catalogue.ts";
import type { HttpResponse } from "../../http/types.ts";
import type { Call, DockerApi, Endpoint } from "../api.ts";
import { refusal } from "../errors.ts";
import { jsonPlatform } from "../platforms.ts";
import { progressStream } from "../progress-stream.ts";

export const load: Endpoint = async (call, { store, events }) => {
  const platform = jsonPlatform(call, "platform", "1.48");
  const { request } = call;
  return await progressStream(request.signal, async (emit, signal) => {
    // Whatever is wrong with an archive is told in the stream, as clients expect it.
    try {
      await using lease = await store.content.lease();
      const body = limited(request.body, Limits.layerUnpacked, { what: "the archive" });
      const loaded = await loadArchive(store.content, body, { lease, signal });
      for (const { descriptor, names } of loaded) {
        const { id, manifest, config } = await openLocalImage(store, descriptor, platform ?? hostPlatform(), signal);
        if (platform !== undefined && !matchesPlatform(platform, config)) throw lacking(platform);
        for (const name of names) await nameImage(store, name, descriptor);
        if (names.length === 0) keepUntagged(store, { id, manifest });
        events.image("load", id, id, config);
        for (const name of names) emit({ stream: `Loaded image: ${familiarReference(parseReference(name))}\n` });
        if (names.length === 0) emit({ stream: `Loaded image ID: ${id}\n` });
      }
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      emit({ errorDetail: { message }, error: message });
    }
  });
};

function lacking(platform: Platform): VarveError {
  return refusal(404, `requested platform(s) ([${formatPlatform(platform)}]) not found`);
}

export const saveOne: Endpoint = async (call, api) => await save([call.name], call, api);

export const saveSeveral: Endpoint = async (call, api) => {
  const names = call.query.getAll("names").filter((name) => name !== "");
  if (names.length === 0) throw refusal(400, "no images to save");
  return await save(names, call, api);
};

/** A name brings its tag along, a name without one all tags of its repository, an id none. */
async function save(names: readonly string[], call: Call, { store, events }: DockerApi): Promise<HttpResponse> {
  const platform = jsonPlatform(call, "platform", "1.48");
  const chosen = (await Promise.all(names.map((name) => chosenBy(name, platform, store)))).flat();
  await using lease = await store.content.lease();
  const images = chosen.map(({ image, names }) => ({ name: names[0], descriptor: image.manifest }));
  await restoreImages(store, images, { lease, signal: call.request.signal });
  const bytes = writeArchive(store.content, {
    images: chosen.map(({ image, names }) => ({ descriptor: image.manifest, names })),
    format: "docker",
    created: Math.floor(Date.now() / 1000),
    signal: call.request.signal,
  });
  // What is missing shows before the first byte.
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
    const all = (await listCatalogue(store)).map((image) => ({ image, names: tagged(image) }));
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
