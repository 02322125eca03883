import {
  type Digest,
  type Platform,
  type Reference,
  digestHex,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  isDigest,
  isVarveError,
  parseReference,
} from "../../../core/index.ts";
import {
  type Emit,
  type LocalImage,
  findImage,
  matchesPlatform,
  nameImage,
  openLocalImage,
} from "../../../classic/index.ts";
import { checkImage } from "../../../image/index.ts";
import { type TransferEvent, type PullResult, type Registry, pull } from "../../../registry/index.ts";
import type { Lease } from "../../../content/index.ts";
import { type Call, type DockerApi, registryFor } from "../api.ts";
import { refusal } from "../errors.ts";
import { progressStream, waitStatus } from "../progress-stream.ts";
import type { HttpResponse } from "../../http/types.ts";
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
    if (isVarveError(error) && error.details["apiStatus"] !== undefined) throw error;
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

/** Fetches one image and gives it its name. */
export async function pullOne(reference: Reference, deps: PullDeps): Promise<LocalImage> {
  const { api, emit, signal } = deps;
  const { content } = api.store;
  await using lease = await content.lease();
  const { target, images: parts } = await resolve(reference, deps, lease);
  const shown = familiarReference(reference);
  const layers = parts.flatMap((part) => part.layers);
  const there = new Set(layers.filter(({ digest }) => content.info(digest) !== undefined).map(({ digest }) => digest));
  emit({
    status: `Pulling from ${reference.repository}`,
    id: reference.digest === undefined ? (reference.tag ?? "") : shown,
  });
  const wanted = new Set(layers.map(({ digest }) => digest));
  const isWhole = there.size === wanted.size;
  for (const digest of isWhole ? [] : wanted)
    emit({
      status: there.has(digest) ? "Already exists" : "Pulling fs layer",
      progressDetail: {},
      id: shortId(digest),
    });
  const told = layerProgress(new Set([...wanted].filter((digest) => !there.has(digest))), emit);
  const pinned = { registry: reference.registry, repository: reference.repository, digest: target.digest };
  const how = { platform: deps.platform, present: "verify" } as const;
  await pull(deps.registry, pinned, { ...how, store: content, lease, signal, onEvent: told, onWait: waitStatus(emit) });
  const image = await openLocalImage(api.store, target, deps.platform, signal);
  const isNew = !(await isNamed(reference, image, deps));
  await nameImage(api.store, formatReference(reference), target);
  emit({ status: `Digest: ${target.digest}` });
  emit({ status: `Status: ${isNew ? "Downloaded newer image" : "Image is up to date"} for ${shown}` });
  api.events.image("pull", shown, shown.replace(/[:@][^/]*$/, ""), image.config);
  return image;
}

/** Whether the image has the name already; a digest is a name of all that its repository's names stand for. */
async function isNamed(
  reference: Reference,
  image: LocalImage,
  { api: { store }, platform }: PullDeps,
): Promise<boolean> {
  const found = await findImage(store, formatReference(reference), platform);
  return found?.image.id === image.id;
}

/** Manifests and configs; what is wrong shows here, before the first message. */
async function resolve(reference: Reference, deps: PullDeps, lease: Lease): Promise<PullResult> {
  const { registry, platform, signal, api } = deps;
  try {
    return await pull(registry, reference, {
      platform,
      store: api.store.content,
      lease,
      signal,
      check: checkImage,
      layers: "skip",
    });
  } catch (error) {
    throw pullFailure(error, reference);
  }
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
  if (error.details["offered"] !== undefined)
    return refusal(
      404,
      `no matching manifest for ${String(error.details["platform"])} in the manifest list entries`,
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
    const tell = (status: string, progressDetail: { current?: number; total?: number } = {}): void =>
      emit({ status, progressDetail, id: shortId(digest) });
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
