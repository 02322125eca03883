import { VarveError } from "../../core/index.ts";
import { imageLayersKey, imageManifestKey } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import type { PullPolicy, ResolvedImage } from "../../source/index.ts";
import type { OpDeps } from "./deps.ts";
import { recordResult } from "./result.ts";
import type { Source, SourceVertex } from "./source-types.ts";

/** Returns the source of an image. It has one key of the manifest and one of the layers. Computing them fetches no layer. */
export function imageSource(vertex: SourceVertex, name: string, deps: OpDeps): Source {
  const { attrs } = vertex.op;
  const platform = vertex.platform ?? deps.platform;
  const policy = pullPolicy(attrs.get("image.resolvemode"), deps.pull);
  const limit = attrs.has("image.layerlimit") ? Number(attrs.get("image.layerlimit")) : undefined;
  const resolve = async (hold: Hold): Promise<ResolvedImage> => {
    const image = await deps.images.resolve(name, { platform, policy }, hold);
    const expected = attrs.get("image.checksum");
    if (expected === undefined || expected === image.digest) return image;
    throw new VarveError("corrupt", `Cannot use image ${name}: its digest is ${image.digest}, not ${expected}`);
  };
  return {
    keys: async (hold, report) => {
      const startedAt = Date.now();
      const image = await resolve(hold);
      report({ kind: "progress", id: `resolve ${name}`, current: 0, startedAt, completedAt: Date.now() });
      const manifest = imageManifestKey(image.digest, platform, limit);
      const layers = imageLayersKey(
        image.layers.map((layer) => layer.diffId),
        limit,
      );
      return layers === undefined || layers === manifest ? [manifest] : [manifest, layers];
    },
    result: async (hold) => recordResult(deps.images.record(await resolve(hold), hold, limit)),
  };
}

function pullPolicy(mode: string | undefined, fallback: PullPolicy): PullPolicy {
  if (mode === "pull") return "always";
  return mode === "local" ? "missing" : fallback;
}
