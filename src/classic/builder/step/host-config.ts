import { hostname } from "node:os";
import type { NetworkMode, ResourceLimits, RunSpec } from "../../../exec/index.ts";
import { stepError } from "../failure.ts";
import type { BuildLimits, BuildRequest } from "../types.ts";

type HostSettings = Pick<
  RunSpec,
  "network" | "hostname" | "hostnameFile" | "extraHosts" | "ulimits" | "shmSize" | "cgroupParent" | "limits"
>;

/** How the commands of a build are run, beside what the images say. `id` is the container's. */
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
    ...(limits.shmSize > 0 && { shmSize: limits.shmSize }),
    cgroupParent: limits.cgroupParent,
    limits: resourceLimits(limits),
  };
}

/** The machine's network stands for the bridge, which nobody keeps here. */
function networkOf(mode: string | undefined): NetworkMode {
  if (mode === undefined || mode === "default" || mode === "bridge") return "default";
  if (mode === "host" || mode === "none") return mode;
  throw stepError(`network ${mode} not found`);
}

function extraHost(text: string): { readonly host: string; readonly ip: string } {
  const at = text.search(/[:=]/);
  if (at <= 0) throw stepError(`bad format for add-host: "${text}"`);
  return { host: text.slice(0, at), ip: text.slice(at + 1) };
}

const LEAST_MEMORY = 6 * 1_048_576;

/** Throws what the daemon says of limits when it creates a container. */
export function checkLimits({ memory, memorySwap, cpuPeriod, cpuQuota }: BuildLimits): void {
  if (memory !== 0 && memory < LEAST_MEMORY) throw stepError("Minimum memory limit allowed is 6MB");
  if (memory > 0 && memorySwap > 0 && memorySwap < memory)
    throw stepError("Minimum memoryswap limit should be larger than memory limit, see usage");
  if (memory === 0 && memorySwap > 0)
    throw stepError("You should always set the Memory limit when using Memoryswap limit, see usage");
  if (cpuPeriod !== 0 && (cpuPeriod < 1000 || cpuPeriod > 1_000_000))
    throw stepError("CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
  if (cpuQuota > 0 && cpuQuota < 1000) throw stepError("CPU cfs quota can not be less than 1ms (i.e. 1000)");
}

/** A limit of memory alone allows as much swap, as in Docker. */
function resourceLimits(limits: BuildLimits): ResourceLimits {
  const { memory, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems } = limits;
  const memorySwap = memory > 0 && limits.memorySwap === 0 ? 2 * memory : limits.memorySwap;
  const numbers = { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota };
  return {
    ...Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== 0)),
    ...(cpusetCpus !== undefined && { cpusetCpus }),
    ...(cpusetMems !== undefined && { cpusetMems }),
  };
}
