import type { BuildRequest } from "../../attest/index.ts";
import { localRequest } from "../attest/local-request.ts";
import type { BuildSettings } from "../options/options.ts";

/** Returns the options of a build of this process, as BuildKit's clients send them to a front end. */
export function foreignAttributes(settings: BuildSettings): BuildRequest["options"] {
  const { resources = {}, attestations = [] } = settings;
  const limits: [string, number | string | undefined][] = [
    ["memory", resources.memory],
    ["memswap", resources.memorySwap],
    ["cpushares", resources.cpuShares],
    ["cpuperiod", resources.cpuPeriod],
    ["cpuquota", resources.cpuQuota],
    ["cpusetcpus", resources.cpusetCpus],
    ["cpusetmems", resources.cpusetMems],
  ];
  const given = limits.filter(([, value]) => value !== undefined && value !== 0 && value !== "");
  return new Map([
    ...localRequest(settings, []).options,
    ...given.map(([key, value]) => [key, String(value)] as const),
    ...(settings.pull === true ? [["image-resolve-mode", "pull"] as const] : []),
    ...attestations.toReversed().map(({ type, attrs }) => [`attest:${type}`, csvOf(attrs)] as const),
  ]);
}

function csvOf(attrs: Readonly<Record<string, string>>): string {
  const fields = Object.entries(attrs).map(([key, value]) => `${key}=${value}`);
  return fields.map((field) => (/[",\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field)).join(",");
}
