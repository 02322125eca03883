import { VarveError } from "../../core/index.ts";
import type { BuildSettings } from "../../engine/index.ts";
import { checkLimits, extraHost, networkOf, resourceLimits } from "../builder/step/host-config.ts";
import type { BuildRequest } from "../builder/types.ts";

type EngineSettings = Omit<BuildSettings, "context" | "dockerfile">;

/**
 * Converts the parameters of a request to settings of the engine. The image gets its names later.
 *
 * @throws {VarveError} With the daemon's messages for values that cannot be used. `unsupported` for `squash`, which the engine does
 * not have; `feature` is what the Dockerfile needs the engine for.
 */
export function engineSettings(request: BuildRequest, feature: string): EngineSettings {
  if (request.squash)
    throw new VarveError(
      "unsupported",
      `Cannot squash the image: the Dockerfile uses ${feature}, which the classic builder lacks`,
      {
        hint: "only the classic builder squashes; copy the files into a last stage instead",
      },
    );
  const { target, platform, noCache, pull, limits } = request;
  checkLimits(limits);
  return {
    target,
    noCache,
    pull,
    platforms: platform && [platform],
    buildArgs: Object.fromEntries(
      [...request.buildArgs].flatMap(([key, value]) => (value === null ? [] : [[key, value]])),
    ),
    labels: Object.fromEntries(request.labels),
    cacheFrom: request.cacheFrom.map((ref) => ({ type: "registry", attrs: { ref } })),
    secrets: [...request.secrets].map(([id, value]) => ({ id, source: { value } })),
    network: networkOf(request.networkMode),
    extraHosts: request.extraHosts.map(extraHost),
    ulimits: limits.ulimits,
    shmSize: limits.shmSize > 0 ? limits.shmSize : undefined,
    cgroupParent: limits.cgroupParent,
    resources: resourceLimits(limits),
    outputs: [{ type: "image" }],
  };
}
