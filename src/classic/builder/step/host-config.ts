import { hostname } from "node:os";
import type { NetworkMode, ResourceLimits, RunSpec } from "../../../exec/index.ts";
import { stepError } from "../failure.ts";
import type { BuildLimits, BuildRequest } from "../types.ts";

type HostSettings = Pick<
  RunSpec,
  "network" | "hostname" | "hostnameFile" | "extraHosts" | "ulimits" | "shmSize" | "cgroupParent" | "limits"
>;

/** Returns how a build's commands run, apart from the image's config. `id` is the container's id. */
export function hostSettings(
  { networkMode, extraHosts, limits }: Pick<BuildRequest, "networkMode" | "extraHosts" | "limits">,
  id: string,
): HostSettings {
  const network = networkOf(networkMode);
  return {
    network,
    hostname: network === "host" ? hostname() : id.slice(0, 12),
    hostnameFile: true,
    extraHosts: extraHosts.map(extraHost),
    ulimits: limits.ulimits,
    shmSize: limits.shmSize > 0 ? limits.shmSize : undefined,
    cgroupParent: limits.cgroupParent,
    limits: resourceLimits(limits),
  };
}

/** Maps Docker's bridge to the machine's network, because there is no bridge here. */
export function networkOf(mode: string | undefined): NetworkMode {
  if (mode === undefined || mode === "default" || mode === "bridge") return "default";
  if (mode === "host" || mode === "none") return mode;
  throw stepError(`network ${mode} not found`);
}

export function extraHost(text: string): { readonly host: string; readonly ip: string } {
  const at = text.search(/[:=]/);
  if (at <= 0) throw stepError(`bad format for add-host: "${text}"`);
  return { host: text.slice(0, at), ip: text.slice(at + 1) };
}

/** Bytes. */
const MIN_MEMORY = 6 * 1_048_576;

/** Checks limits as the daemon does when it creates a container. Throws its errors. */
export function checkLimits({ memory, memorySwap, cpuPeriod, cpuQuota }: BuildLimits): void {
  if (memory !== 0 && memory < MIN_MEMORY) throw stepError("Minimum memory limit allowed is 6MB");
  if (memory > 0 && memorySwap > 0 && memorySwap < memory)
    throw stepError("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (memory === 0 && memorySwap > 0)
    throw stepError("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (cpuPeriod !== 0 && (cpuPeriod < 1000 || cpuPeriod > 1_000_000))
    throw stepError("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (cpuQuota > 0 && cpuQuota < 1000) throw stepError("CPU cfs quota can not be less than 1ms (i.e. 1000)");
}

/** Converts limits for the runner. A limit on memory alone allows the same amount of swap, as in Docker. */
export function resourceLimits(limits: BuildLimits): ResourceLimits {
  const { memory, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems } = limits;
  const memorySwap = memory > 0 && limits.memorySwap === 0 ? 2 * memory : limits.memorySwap;
  const numbers = { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota };
  return {
    ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== 0)),
    cpusetCpus,
    cpusetMems,
  };
}
