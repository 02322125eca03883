import { findImage, pullImage } from "../../../images/index.ts";
import type { OnTransfer, Registry } from "../../../registry/index.ts";
import { type LocalImage, matchesPlatform, openLocalImage } from "../../../image/index.ts";
import type { HttpResponse } from "../../http/index.ts";
import {
  type Platform,
  type Reference,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  isDigest,
  isVarveError,
  parseReference,
} from "../../../core/index.ts";
import type { Emit } from "../../../classic/index.ts";
import { type Call, type DockerApi, registryFor } from "../api.ts";
import { apiError } from "../errors.ts";
import { PULL_STATUSES, layerProgress, shortId } from "../layer-progress.ts";
import { progressStream, waitStatus } from "../progress-stream.ts";
import { text } from "../query.ts";
import { requestCredentials } from "../registry-auth.ts";

/** Pulls one tag or digest of a repository, or all its tags. */
export async function pullImages(
  call: Call,
  from: string,
  platform: Platform | undefined,
  api: DockerApi,
): Promise<HttpResponse> {
  const reference = pulledReference(from, text(call.query, "tag"));
  return await progressStream(call.request.signal, async (emit, signal) => {
    using registry = registryFor(api, requestCredentials(call.request.headers.get("x-registry-auth")));
    const deps = { api, registry, platform: platform ?? hostPlatform(), emit, signal };
    const one = reference.tag !== undefined || reference.digest !== undefined;
    const all = one ? [reference] : (await registry.tags(reference, { signal })).map((tag) => ({ ...reference, tag }));
    for (const each of all) {
      const image = await pullOne(each, deps);
      if (platform !== undefined) warnOfPlatform(platform, image, each, emit);
    }
  });
}

/** Warns that a single-platform image is for another platform than the one asked for, in Docker's words. */
function warnOfPlatform(platform: Platform, { config }: LocalImage, reference: Reference, emit: Emit): void {
  if (matchesPlatform(platform, config)) return;
  const { os, architecture, variant } = config;
  const has = [os, architecture, variant].filter((part) => part !== undefined && part !== "").join("/");
  const what = `image with reference ${familiarReference(reference)} was found but its platform (${has})`;
  emit({ status: `WARNING: ${what} does not match the specified platform (${formatPlatform(platform)})` });
}

function pulledReference(from: string, tag: string | undefined): Reference {
  try {
    const named = parseReference(from);
    if (named.registry === "docker.io" && named.repository === "library/scratch")
      throw apiError(403, "'scratch' is a reserved name");
    if (tag === undefined) return named;
    const bare = `${named.registry}/${named.repository}`;
    return parseReference(isDigest(tag) ? `${bare}@${tag}` : `${bare}:${tag}`);
  } catch (error) {
    if (isVarveError(error) && error.details.apiStatus !== undefined) throw error;
    throw apiError(400, "invalid reference format", error);
  }
}

export interface PullDeps {
  readonly api: DockerApi;
  readonly registry: Registry;
  readonly platform: Platform;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** Pulls one image. Errors that occur before the first layer is fetched are thrown before the first message. */
export async function pullOne(reference: Reference, deps: PullDeps): Promise<LocalImage> {
  const { api, registry, platform, emit, signal } = deps;
  const shown = familiarReference(reference);
  // A digest is a name of every image that the names of its repository point to.
  const before = await findImage(api.store, formatReference(reference), platform);
  let onTransfer: OnTransfer | undefined;
  const pulled = await pullImage(api.store, reference, {
    platform,
    registry,
    signal,
    onWait: waitStatus(emit),
    onTransfer: (event) => onTransfer?.(event),
    onResolved: ({ layers, present }) => {
      const id = reference.digest === undefined ? (reference.tag ?? "") : shown;
      emit({ status: `Pulling from ${reference.repository}`, id });
      const wanted = new Set(layers.map(({ digest }) => digest));
      const missing = new Set([...wanted].filter((digest) => !present.has(digest)));
      for (const digest of missing.size === 0 ? [] : wanted)
        emit({
          status: missing.has(digest) ? "Pulling fs layer" : "Already exists",
          progressDetail: {},
          id: shortId(digest),
        });
      onTransfer = layerProgress(new Map(Array.from(missing, (digest) => [digest, digest])), PULL_STATUSES, emit);
    },
  }).catch((error: unknown) => {
    throw onTransfer === undefined ? pullError(error, reference) : error;
  });
  emit({ status: `Digest: ${pulled.descriptor.digest}` });
  const image = await openLocalImage(api.store, pulled.descriptor, platform, signal);
  const isNew = before?.image.id !== image.id;
  emit({ status: `Status: ${isNew ? "Downloaded newer image" : "Image is up to date"} for ${shown}` });
  api.events.image("pull", shown, shown.replace(/[:@][^/]*$/, ""), image.config);
  return image;
}

/** Returns a failed pull as the error that Docker reports, because clients parse its message. */
export function pullError(error: unknown, reference: Reference): unknown {
  const name = familiarReference(reference);
  if (isVarveError(error, "unauthorized"))
    return apiError(
      404,
      `pull access denied for ${name.replace(/[:@][^/]*$/, "")}, repository does not exist or may require 'docker login': ${error.message}`,
      error,
    );
  if (!isVarveError(error, "not-found")) return error;
  if (error.details.offered !== undefined)
    return apiError(
      404,
      `no matching manifest for ${String(error.details.platform)} in the manifest list entries`,
      error,
    );
  return apiError(404, `manifest for ${name} not found: manifest unknown: manifest unknown`, error);
}
