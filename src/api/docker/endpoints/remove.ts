import {
  type Digest,
  type Platform,
  type RemoveConflict,
  type VarveError,
  digestHex,
  familiarReference,
  formatPlatform,
  isVarveError,
  parseGoTime,
  parseReference,
} from "../../../core/index.ts";
import type { Store } from "../../../engine/index.ts";
import { type Removal, pruneImages as removeUnused, removeImage } from "../../../images/index.ts";
import type { DockerApi, Endpoint } from "../api.ts";
import { apiError } from "../errors.ts";
import { booleanFilter, matchesLabels, parseFilters } from "../filters.ts";
import { findImage, noSuchImage, referenceOf } from "../images/api-image.ts";
import { jsonPlatform } from "../platforms.ts";
import { flag } from "../query.ts";
import { ok } from "../respond.ts";
import { parsePoint } from "../time.ts";

export const remove: Endpoint = async (call, api) => {
  const { name, query } = call;
  if (name.trim() === "") throw apiError(400, "image name cannot be blank");
  referenceOf(name);
  const platform = jsonPlatform(call, "platforms", "1.50");
  if (platform !== undefined) await checkAlone(name, platform, api);
  try {
    const options = { force: flag(query, "force"), noPrune: flag(query, "noprune") };
    const removals = await removeImage(api.store, name, options);
    if (removals.some(({ kind }) => kind === "deleted")) await collectGarbage(api.store);
    return ok(reportRemovals(removals, api));
  } catch (error) {
    if (isVarveError(error, "not-found")) throw noSuchImage(name);
    throw isVarveError(error, "busy") ? conflictOf(error) : error;
  }
};

/** Throws 501 if the image has other platforms: deleting one platform of an image is not supported. */
async function checkAlone(name: string, platform: Platform, { store }: DockerApi): Promise<void> {
  const { target, manifest } = await findImage(store, name, platform);
  if (target.digest === manifest.digest) return;
  throw apiError(501, `Cannot delete ${formatPlatform(platform)} of ${name}: only a whole image can be deleted`);
}

const REASONS: Readonly<Record<RemoveConflict["reason"], string>> = {
  "several-references": "image is referenced in multiple repositories",
  children: "image has dependent child images",
  "in-use": "a container is using it",
};

function conflictOf(error: VarveError): VarveError {
  const conflict = error.details.conflict;
  if (conflict === undefined) return error;
  const force = conflict.soft ? "must be forced" : "cannot be forced";
  const id = digestHex(conflict.id).slice(0, 12);
  return apiError(409, `conflict: unable to delete ${id} (${force}) - ${REASONS[conflict.reason]}`, error);
}

type RemovedItem = { readonly Untagged: string } | { readonly Deleted: Digest };

/** Emits an event for each removal. Returns the response's list. */
function reportRemovals(removals: readonly Removal[], { events }: DockerApi): RemovedItem[] {
  return removals.map((removal) => {
    if (removal.kind === "deleted") {
      events.image("delete", removal.id, removal.id);
      return { Deleted: removal.id };
    }
    events.image("untag", removal.id, removal.id, removal.config);
    return { Untagged: familiarReference(parseReference(removal.reference)) };
  });
}

export const pruneImages: Endpoint = async ({ query, request }, api) => {
  const filters = parseFilters(query, ["dangling", "until", "label", "label!"]);
  const until = [...(filters.get("until") ?? [])].map(parsePoint);
  const removals = await removeUnused(api.store, {
    dangling: booleanFilter(filters, "dangling") ?? true,
    matches: ({ image: { config } }) =>
      until.every((time) => (parseGoTime(config.created ?? "") ?? 0n) < time) &&
      matchesLabels(filters, config.config?.Labels ?? new Map()),
    signal: request.signal,
  }).catch((error: unknown) => {
    throw isVarveError(error, "busy") ? apiError(409, "a prune operation is already running", error) : error;
  });
  const SpaceReclaimed = await collectGarbage(api.store);
  const removed = reportRemovals(removals, api);
  api.events.emit("image", "prune", "", { reclaimed: String(SpaceReclaimed) });
  return ok({ ImagesDeleted: removed.length === 0 ? null : removed, SpaceReclaimed });
};

/** Removes unreferenced blobs and snapshots. Keeps the build cache. Returns the number of bytes of removed blobs. */
async function collectGarbage({ content, snapshotter }: Store): Promise<number> {
  const { bytes } = await content.collect({ snapshots: snapshotter });
  return bytes;
}
