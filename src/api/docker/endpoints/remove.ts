import { digestHex, familiarReference, formatReference, withDefaultTag } from "../../../core/index.ts";
import { prune as pruneStore } from "../../../build/index.ts";
import type { DockerApi, Endpoint } from "../api.ts";
import { refusal } from "../errors.ts";
import { booleanFilter, matchesLabels, parseFilters } from "../filters.ts";
import { type ApiImage, findImage, listCatalogue, referenceOf, repoTags } from "../images/catalogue.ts";
import { flag } from "../query.ts";
import { ok } from "../respond.ts";
import { parsePoint } from "../time.ts";
import { parseTime } from "../../../image/index.ts";

type Removed = { readonly Untagged: string } | { readonly Deleted: string };

export const remove: Endpoint = async ({ name, query }, api) => {
  if (name.trim() === "") throw refusal(400, "image name cannot be blank");
  const image = await findImage(api.store, name);
  const row = rowOf(image, name);
  if (row !== undefined && image.references.length > 1) return ok(untag(image, [row], api));
  const repositories = new Set(image.references.map(({ registry, repository }) => `${registry}/${repository}`));
  if (row === undefined && (repositories.size > 1 || repoTags(image).length > 1) && !flag(query, "force"))
    throw refusal(
      409,
      `conflict: unable to delete ${digestHex(image.id).slice(0, 12)} (must be forced) - image is referenced in multiple repositories`,
    );
  return ok(removeWhole(image, api));
};

/** The name by which an image was asked for; undefined if it was by its id. */
function rowOf(image: ApiImage, name: string): string | undefined {
  const reference = referenceOf(name);
  if (reference === undefined) return undefined;
  const wanted = formatReference(withDefaultTag(reference));
  return image.rows.find((row) => row.name === wanted)?.name;
}

function untag(image: ApiImage, names: readonly string[], { store, events }: DockerApi): Removed[] {
  return names.map((name) => {
    store.images.remove(name);
    events.emit("image", "untag", image.id, { name: image.id });
    const reference = image.references.find((each) => formatReference(each) === name);
    return { Untagged: reference === undefined ? name : familiarReference(reference) };
  });
}

function removeWhole(image: ApiImage, api: DockerApi): Removed[] {
  const removed = untag(image, image.references.map(formatReference), api);
  for (const { name } of image.rows) api.store.images.remove(name);
  api.events.emit("image", "delete", image.id, { name: image.id });
  return [...removed, { Deleted: image.id }];
}

/** Stores in which a prune is running. */
const pruning = new WeakSet<DockerApi>();

export const pruneImages: Endpoint = async ({ query, request }, api) => {
  const filters = parseFilters(query, ["dangling", "until", "label", "label!"]);
  const danglingOnly = booleanFilter(filters, "dangling") ?? true;
  const until = [...(filters.get("until") ?? [])].map(parsePoint);
  if (pruning.has(api)) throw refusal(409, "a prune operation is already running");
  pruning.add(api);
  try {
    const all = await listCatalogue(api.store);
    const old = (image: ApiImage): boolean =>
      until.every((time) => (parseTime(image.image.config.created ?? "") ?? 0n) < time);
    const chosen = all.filter(
      (image) =>
        (!danglingOnly || image.references.length === 0) &&
        old(image) &&
        matchesLabels(filters, image.image.config.config?.Labels ?? new Map()),
    );
    const removed = chosen.flatMap((image) => removeWhole(image, api));
    const before = storedBytes(api);
    // The cache is left alone: only what no image needs any more goes.
    await pruneStore(api.store, { filters: ["id==none"] }, request.signal);
    const SpaceReclaimed = Math.max(0, before - storedBytes(api));
    api.events.emit("image", "prune", "", { reclaimed: String(SpaceReclaimed) });
    return ok({ ImagesDeleted: removed.length === 0 ? null : removed, SpaceReclaimed });
  } finally {
    pruning.delete(api);
  }
};

function storedBytes({ store }: DockerApi): number {
  return [...store.content.walk()].reduce((sum, { size }) => sum + size, 0);
}

/** What images take: each layer once. */
export function layersSize(images: readonly ApiImage[]): number {
  const layers = new Map(
    images.flatMap(({ image }) => image.layers.map(({ descriptor }) => [descriptor.digest, descriptor.size] as const)),
  );
  return [...layers.values()].reduce((sum, size) => sum + size, 0);
}
