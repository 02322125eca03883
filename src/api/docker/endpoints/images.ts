import { familiarReference, formatReference, parseGoTime } from "../../../core/index.ts";
import type { Store } from "../../../engine/index.ts";
import { historyRows } from "../../../images/index.ts";
import { nameImage } from "../../../image/index.ts";
import { pathGlob } from "../glob.ts";
import type { Endpoint } from "../api.ts";
import { apiError } from "../errors.ts";
import { type Filters, booleanFilter, matchesLabels, parseFilters } from "../filters.ts";
import { type ApiImage, findImage, listApiImages, repoTags } from "../images/api-image.ts";
import { targetReference } from "../parameters.ts";
import { jsonPlatform } from "../platforms.ts";
import { flag, text } from "../query.ts";
import { empty, ok } from "../respond.ts";
import { parsePoint } from "../time.ts";
import { historyJson, inspectJson, listJson } from "./image-json.ts";

const FILTERS = ["dangling", "label", "label!", "before", "since", "reference", "until"];

function createdAt({ config }: ApiImage): bigint {
  return parseGoTime(config.created ?? "") ?? 0n;
}

export const list: Endpoint = async ({ query, version }, { store }) => {
  const filters = parseFilters(query, FILTERS);
  const wanted = await imageFilter(filters, store);
  const found = (await listApiImages(store, flag(query, "all"))).filter(wanted).flatMap(named(filters));
  return ok(found.map((image) => listJson(image, store, version)));
};

/** Returns a predicate for `filters`. Throws 404 if `before` or `since` names an image that is not in the store. */
async function imageFilter(filters: Filters, store: Store): Promise<(image: ApiImage) => boolean> {
  const dangling = booleanFilter(filters, "dangling");
  const times = async (key: string): Promise<bigint[]> =>
    await Promise.all([...(filters.get(key) ?? [])].map(async (name) => createdAt(await findImage(store, name))));
  const [before, since] = [await times("before"), await times("since")];
  const until = [...(filters.get("until") ?? [])].map(parsePoint);
  return (image) =>
    (dangling === undefined || (repoTags(image).length === 0) === dangling) &&
    [...before, ...until].every((time) => createdAt(image) < time) &&
    since.every((time) => createdAt(image) > time) &&
    matchesLabels(filters, image.config.config?.Labels ?? new Map());
}

/** Returns a function that keeps the names that match a `reference` filter, and drops images without such a name. */
function named(filters: Filters): (image: ApiImage) => ApiImage[] {
  const globs = [...(filters.get("reference") ?? [])].map(pathGlob);
  if (globs.length === 0) return (image) => [image];
  return (image) => {
    const references = image.references.filter((each) => globs.some((glob) => namesOf(each).some(glob)));
    return references.length === 0 ? [] : [{ ...image, references }];
  };
}

/** The forms a `reference` filter may match: with and without registry, with and without tag. */
function namesOf(reference: ApiImage["references"][number]): string[] {
  const bare = { registry: reference.registry, repository: reference.repository };
  return [familiarReference(reference), formatReference(reference), familiarReference(bare), formatReference(bare)];
}

export const inspect: Endpoint = async (call, { store }) => {
  const { name, version, query } = call;
  const platform = jsonPlatform(call, "platform", "1.49");
  if (platform !== undefined && flag(query, "manifests"))
    throw apiError(400, "conflicting options: manifests and platform options cannot both be set");
  return ok(await inspectJson(await findImage(store, name, platform), store, version));
};

export const history: Endpoint = async (call, { store }) => {
  const image = await findImage(store, call.name, jsonPlatform(call, "platform", "1.48"));
  return ok(historyRows(store, image).map(historyJson));
};

export const tag: Endpoint = async ({ name, query }, { store, events }) => {
  const repository = text(query, "repo");
  const image = await findImage(store, name);
  if (repository === undefined) throw apiError(400, "invalid reference format");
  const reference = targetReference(repository, text(query, "tag"));
  await nameImage(store, formatReference(reference), image.target);
  events.image("tag", image.id, familiarReference(reference), image.config);
  return empty(201);
};
