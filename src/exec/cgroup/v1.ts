import { readFileSync, writeFileSync } from "node:fs";
import { posix } from "node:path";
import { VarveError, errnoOf } from "../../core/index.ts";
import type { DeviceRule, Resources } from "./resources.ts";
import type { ResourceLimits } from "../types.ts";

type Setting = readonly [file: string, value: string];

/** Errors for a limit that the machine does not offer, for example swap without swap accounting. Others concern the value. */
const NOT_OFFERED = new Set(["ENOENT", "EACCES", "EPERM", "EROFS", "EOPNOTSUPP"]);

/**
 * Writes the limits of a version 1 group with these controllers, before a process enters it. A limit that the machine does
 * not offer is skipped with a warning.
 * @throws {VarveError} `invalid-argument` for a value that the kernel rejects.
 */
export function writeLimits(
  path: string,
  controllers: readonly string[],
  resources: Resources,
  warn: (message: string) => void,
): void {
  if (controllers.includes("cpuset")) inheritCpuset(path);
  for (const [file, value] of controllers.flatMap((name) => limitsOf(name, resources.limits))) {
    try {
      writeFileSync(posix.join(path, file), value);
    } catch (error) {
      const message = `Cannot set ${file} of the step to ${value}: ${errnoOf(error) ?? String(error)}`;
      if (!NOT_OFFERED.has(errnoOf(error) ?? "")) throw new VarveError("invalid-argument", message, { cause: error });
      warn(message);
    }
  }
  // Without these rules the step could open any device, so a failure is an error.
  if (controllers.includes("devices"))
    for (const [file, value] of devicesOf(resources.devices)) writeFileSync(posix.join(path, file), value);
}

/** A new group has no processors and no memory nodes, and accepts no process until it has some. */
function inheritCpuset(path: string): void {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const above = readFileSync(posix.join(posix.dirname(path), file), "utf8").trim();
    writeFileSync(posix.join(path, file), above);
  }
}

function limitsOf(controller: string, limits: ResourceLimits): Setting[] {
  const set = (file: string, value: number | string | undefined): Setting[] =>
    value === undefined ? [] : [[file, String(value)]];
  switch (controller) {
    case "memory":
      return [...set("memory.limit_in_bytes", limits.memory), ...set("memory.memsw.limit_in_bytes", limits.memorySwap)];
    case "cpu":
      return [
        ...set("cpu.shares", limits.cpuShares),
        ...set("cpu.cfs_period_us", limits.cpuPeriod),
        ...set("cpu.cfs_quota_us", limits.cpuQuota),
      ];
    case "cpuset":
      return [...set("cpuset.cpus", limits.cpusetCpus), ...set("cpuset.mems", limits.cpusetMems)];
    case "pids":
      // The runtime is in the group too and counts as one.
      return set("pids.max", limits.pids === undefined || limits.pids < 0 ? limits.pids && "max" : limits.pids + 1);
    default:
      return [];
  }
}

function devicesOf(devices: Resources["devices"]): Setting[] {
  if (devices === "all") return [];
  return [["devices.deny", "a"], ...devices.map((rule): Setting => ["devices.allow", ruleText(rule)])];
}

function ruleText({ type, major, minor, access }: DeviceRule): string {
  return `${type} ${major ?? "*"}:${minor ?? "*"} ${access}`;
}
