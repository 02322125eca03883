import { diskUsage } from "../../../caches/index.ts";
import type { Endpoint } from "../api.ts";
import { apiError } from "../errors.ts";
import { type ApiImage, allApiImages } from "../images/api-image.ts";
import { ok } from "../respond.ts";
import { isAtLeast } from "../version.ts";
import { listJson } from "./image-json.ts";

const TYPES = new Set(["container", "image", "volume", "build-cache"]);

/** `GET /system/df`: the disk usage of images and the build cache. Containers and volumes are empty lists. */
export const usage: Endpoint = async ({ query, request, version }, { store }) => {
  const types = isAtLeast(version, "1.42") ? query.getAll("type") : [];
  const unknown = types.find((type) => !TYPES.has(type));
  if (unknown !== undefined) throw apiError(400, `unknown object type: ${unknown}`);
  const wants = (type: string): boolean => types.length === 0 || types.includes(type);
  const images = wants("image") ? await allApiImages(store) : [];
  const cache = wants("build-cache") ? await diskUsage(store, { signal: request.signal }) : [];
  const BuildCache = cache.map((record) => ({
    ID: record.id,
    Parents: record.parents,
    Type: record.recordType,
    Description: record.description,
    InUse: record.inUse,
    Shared: record.shared,
    Size: record.size,
    CreatedAt: new Date(record.createdAt).toISOString(),
    LastUsedAt: record.lastUsedAt === undefined ? null : new Date(record.lastUsedAt).toISOString(),
    UsageCount: record.usageCount,
  }));
  return ok({
    LayersSize: layersSize(images),
    Images: wants("image") ? images.map((image) => listJson(image, store, version)) : null,
    Containers: wants("container") ? [] : null,
    Volumes: wants("volume") ? [] : null,
    BuildCache: wants("build-cache") ? BuildCache : null,
    ...(isAtLeast(version, "1.42") ? {} : { BuilderSize: cache.reduce((sum, { size }) => sum + size, 0) }),
  });
};

/** Returns the size of all layers in bytes. Counts a shared layer once. */
function layersSize(images: readonly ApiImage[]): number {
  const all = images.flatMap(({ layers }) =>
    layers.map(({ descriptor }) => [descriptor.digest, descriptor.size] as const),
  );
  return [...new Map(all).values()].reduce((sum, size) => sum + size, 0);
}
