import { basename } from "node:path";
import type { BuildRequest } from "../../attest/index.ts";
import { formatPlatform } from "../../core/index.ts";
import { isRemote } from "../context/contexts.ts";
import type { BuildSettings } from "../options/options.ts";

const DOCKERFILE = "Dockerfile";

/**
 * Returns a build of this process as the request that BuildKit's clients send for it. Paths of this machine are not part of it. `vcs` are
 * the options that say where the context comes from.
 */
export function localRequest(settings: BuildSettings, vcs: readonly [string, string][]): BuildRequest {
  return { frontend: "dockerfile.v0", options: new Map([...optionsOf(settings), ...vcs]) };
}

function optionsOf(settings: BuildSettings): [string, string][] {
  const { context, target, platforms = [], network = "default", cgroupParent, shmSize = 0 } = settings;
  const given: [string, string | undefined][] = [
    ["context", context.kind === "url" ? context.url : undefined],
    ["filename", fileName(settings)],
    ["target", target],
    ["platform", platforms.map(formatPlatform).join(",")],
    ["force-network-mode", network === "default" ? undefined : network],
    ["add-hosts", (settings.extraHosts ?? []).map(({ host, ip }) => `${host}=${ip}`).join(",")],
    ["shm-size", shmSize === 0 ? undefined : String(shmSize)],
    ["ulimit", (settings.ulimits ?? []).map(({ name, soft, hard }) => `${name}=${soft}:${hard}`).join(",")],
    ["cgroup-parent", cgroupParent],
  ];
  const epoch = settings.sourceDateEpoch === undefined ? {} : { SOURCE_DATE_EPOCH: String(settings.sourceDateEpoch) };
  return [
    ...given.filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ""),
    ...prefixed("build-arg:", { ...settings.buildArgs, ...epoch }),
    ...prefixed("label:", settings.labels),
    ...prefixed("context:", settings.buildContexts).map(([key, source]) => namedContext(key, source)),
    ...noCache(settings),
  ];
}

function prefixed(prefix: string, values: Readonly<Record<string, string>> = {}): [string, string][] {
  return Object.entries(values).map(([key, value]) => [prefix + key, value]);
}

/** Directories and layouts of this machine are named as clients name those that they send. */
function namedContext(key: string, source: string): [string, string] {
  const name = key.slice(key.indexOf(":") + 1);
  if (source.startsWith("oci-layout:")) return [key, `oci-layout://${name}`];
  return [key, source.startsWith("docker-image:") || isRemote(source) ? source : `local:${name}`];
}

function fileName({ dockerfile }: BuildSettings): string | undefined {
  switch (dockerfile?.kind) {
    case "context":
      return dockerfile.path === DOCKERFILE ? undefined : dockerfile.path;
    case "file":
      return basename(dockerfile.path) === DOCKERFILE ? undefined : basename(dockerfile.path);
    case "text":
      return dockerfile.name === DOCKERFILE ? undefined : dockerfile.name;
    case undefined:
      return undefined;
  }
}

function noCache({ noCache: given = false }: BuildSettings): [string, string][] {
  if (given === true) return [["no-cache", ""]];
  return given === false || given.length === 0 ? [] : [["no-cache", given.join(",")]];
}
