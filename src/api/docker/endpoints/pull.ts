import { pullImage } from "../../../images/index.ts";
import type { OnTransfer, Registry, TransferEvent } from "../../../registry/index.ts";
import { type LocalImage, matchesPlatform, openLocalImage } from "../../../image/index.ts";
import type { HttpResponse } from "../../http/index.ts";
import {
  type Digest,
  type Platform,
  type Reference,
  digestHex,
  familiarReference,
  formatPlatform,
  hostPlatform,
  isDigest,
  isVarveError,
  parseReference,
} from "../../../core/index.ts";
import type { Emit } from "../../../classic/index.ts";
import { type Call, type DockerApi, registryFor } from "../api.ts";
import { refusal } from "../errors.ts";
import { progressStream, waitStatus } from "../progress-stream.ts";
import { text } from "../query.ts";
import { requestCredentials } from "../registry-auth.ts";

/** One tag or digest of a repository, or all its tags. */
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
      if (platform !== undefined) warnOfOther(platform, image, each, emit);
    }
  });
}

/** An image that stands alone comes whatever its platform is. Its client is told, in the daemon's words. */
function warnOfOther(platform: Platform, { config }: LocalImage, reference: Reference, emit: Emit): void {
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
      throw refusal(403, "'scratch' is a reserved name");
    if (tag === undefined) return named;
    const bare = `${named.registry}/${named.repository}`;
    return parseReference(isDigest(tag) ? `${bare}@${tag}` : `${bare}:${tag}`);
  } catch (error) {
    if (isVarveError(error) && error.details.apiStatus !== undefined) throw error;
    throw refusal(400, "invalid reference format", error);
  }
}

export interface PullDeps {
  readonly api: DockerApi;
  readonly registry: Registry;
  readonly platform: Platform;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** Pulls one image under its name. What is wrong with it before a layer is fetched is thrown before the first message. */
export async function pullOne(reference: Reference, deps: PullDeps): Promise<LocalImage> {
  const { api, registry, platform, emit, signal } = deps;
  const shown = familiarReference(reference);
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
      onTransfer = layerProgress(missing, emit);
    },
  }).catch((error: unknown) => {
    throw onTransfer === undefined ? pullFailure(error, reference) : error;
  });
  emit({ status: `Digest: ${pulled.descriptor.digest}` });
  emit({ status: `Status: ${pulled.isNew ? "Downloaded newer image" : "Image is up to date"} for ${shown}` });
  const image = await openLocalImage(api.store, pulled.descriptor, platform, signal);
  api.events.image("pull", shown, shown.replace(/[:@][^/]*$/, ""), image.config);
  return image;
}

/** A failure in the daemon's words, where clients look at those. */
export function pullFailure(error: unknown, reference: Reference): unknown {
  const name = familiarReference(reference);
  if (isVarveError(error, "unauthorized"))
    return refusal(
      404,
      `pull access denied for ${name.replace(/[:@][^/]*$/, "")}, repository does not exist or may require 'docker login': ${error.message}`,
      error,
    );
  if (!isVarveError(error, "not-found")) return error;
  if (error.details.offered !== undefined)
    return refusal(
      404,
      `no matching manifest for ${String(error.details.platform)} in the manifest list entries`,
      error,
    );
  return refusal(404, `manifest for ${name} not found: manifest unknown: manifest unknown`, error);
}

function shortId(digest: Digest): string {
  return digestHex(digest).slice(0, 12);
}

/** Turns what transfers tell of these layers into the daemon's words. */
function layerProgress(layers: ReadonlySet<Digest>, emit: Emit): (event: TransferEvent) => void {
  const ended = new Set<Digest>();
  return ({ digest, state, current, total }) => {
    if (!layers.has(digest) || ended.has(digest)) return;
    const tell = (
      status: string,
      progressDetail: { current?: number | undefined; total?: number | undefined } = {},
    ): void => emit({ status, progressDetail, id: shortId(digest) });
    switch (state) {
      case "waiting":
        return tell("Waiting");
      case "running":
        return tell("Downloading", { current, total });
      case "retrying":
        return tell("Retrying");
      case "done":
      case "exists":
        ended.add(digest);
        for (const status of ["Verifying Checksum", "Download complete", "Pull complete"]) tell(status);
        return;
      case "mounted":
      case "skipped":
      case "failed":
        return;
    }
  };
}
