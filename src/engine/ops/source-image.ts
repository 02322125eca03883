import { type Digest, type Platform, VarveError, isDigest } from "../../core/index.ts";
import { imageLayersKey, imageManifestKey } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import { type ClientStoreName, type PullPolicy, type ResolvedImage, resolveLayout } from "../../source/index.ts";
import { type Attributes, clientStore, layerLimit, recordType } from "./attributes.ts";
import type { OpDeps } from "./deps.ts";
import { recordResult } from "./result.ts";
import type { Source, SourceVertex } from "./source-types.ts";

/** Returns the source of an image in a registry, or in the store. */
export function imageSource(vertex: SourceVertex, name: string, deps: OpDeps): Source {
  const { attrs } = vertex.op;
  const policy = pullPolicy(attrs.get("image.resolvemode") ?? "", deps.pull);
  const expected = checksum(attrs);
  const limit = layerLimit(attrs, "image.layerlimit");
  const resolve = async (hold: Hold, platform: Platform): Promise<ResolvedImage> => {
    const image = await deps.images.resolve(name, { platform, policy }, hold);
    if (expected === undefined || expected === image.digest) return image;
    throw new VarveError(
      "corrupt",
      `image digest ${image.digest} for ${name} does not match expected checksum ${expected}`,
    );
  };
  return resolvedSource(vertex, { name, limit, resolve }, deps);
}

/** Returns the source of an image in an OCI layout: one of the client, or one that was loaded into the store before. */
export function layoutSource(vertex: SourceVertex, name: string, deps: OpDeps): Source {
  const { attrs } = vertex.op;
  const limit = layerLimit(attrs, "oci.layerlimit");
  const store = clientStore(attrs);
  const resolve = async (hold: Hold, platform: Platform): Promise<ResolvedImage> =>
    await findInLayout({ store, name, platform }, deps, hold);
  return resolvedSource(vertex, { name, limit, resolve }, deps);
}

/** Finds an image in an OCI layout: in the client's store, or in the content store if the client has none. */
export async function findInLayout(
  {
    store,
    ...request
  }: { readonly name: string; readonly platform: Platform; readonly store: ClientStoreName | undefined },
  { content, client, images }: Pick<OpDeps, "content" | "client" | "images">,
  hold: Hold,
): Promise<ResolvedImage> {
  const { openStore: open } = client;
  if (store === undefined || open === undefined)
    return await images.resolve(request.name, { platform: request.platform, policy: "never" }, hold);
  return await resolveLayout({ ...store, ...request }, { content, open }, hold);
}

interface ImageParts {
  readonly name: string;
  readonly limit: number | undefined;
  readonly resolve: (hold: Hold, platform: Platform) => Promise<ResolvedImage>;
}

/** Returns a source with one key of the manifest and one of the layers. Computing them fetches no layer. */
function resolvedSource(vertex: SourceVertex, { name, limit, resolve }: ImageParts, deps: OpDeps): Source {
  const platform = vertex.platform ?? deps.platform;
  const type = recordType(vertex.op.attrs);
  const limited = async (hold: Hold): Promise<ResolvedImage> => {
    const image = await resolve(hold, platform);
    if (limit === undefined || limit <= image.layers.length) return image;
    const count = image.layers.length;
    throw new VarveError(
      "invalid-argument",
      `layer limit ${limit} is greater than the number of layers in the image ${count}`,
    );
  };
  return {
    keys: async (hold, report) => {
      const startedAt = Date.now();
      const image = await limited(hold);
      report({ kind: "progress", id: `resolve ${name}`, current: 0, startedAt, completedAt: Date.now() });
      const manifest = imageManifestKey(image.digest, platform, limit);
      const layers = imageLayersKey(
        image.layers.map((layer) => layer.diffId),
        limit,
      );
      return layers === undefined || layers === manifest ? [manifest] : [manifest, layers];
    },
    result: async (hold) => recordResult(deps.images.record(await limited(hold), hold, { limit, type })),
  };
}

function checksum(attrs: Attributes): Digest | undefined {
  const text = attrs.get("image.checksum");
  if (text === undefined || isDigest(text)) return text;
  throw new VarveError("invalid-argument", `invalid image checksum ${text}`);
}

/** Returns the policy of a resolve mode. Throws BuildKit's `invalid resolvemode: X`. */
export function pullPolicy(mode: string, fallback: PullPolicy): PullPolicy {
  switch (mode) {
    case "":
    case "default":
      return fallback;
    case "pull":
      return "always";
    case "local":
      return "missing";
    default:
      throw new VarveError("invalid-argument", `invalid resolvemode: ${mode}`);
  }
}
