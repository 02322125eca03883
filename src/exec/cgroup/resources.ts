import type { CgroupLayout } from "./layout.ts";
import type { ResourceLimits } from "../types.ts";

/** A rule of the devices controller, as in `linux.resources.devices` of a runtime configuration. */
export interface DeviceRule {
  readonly type: "a" | "b" | "c";
  /** Any, if absent. */
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  readonly access: string;
}

/** What Docker lets a container do with devices: make any node, use the harmless ones. */
export const DEFAULT_DEVICE_RULES: readonly DeviceRule[] = [
  { type: "c", access: "m" },
  { type: "b", access: "m" },
  { type: "c", major: 1, minor: 3, access: "rwm" },
  { type: "c", major: 1, minor: 5, access: "rwm" },
  { type: "c", major: 1, minor: 7, access: "rwm" },
  { type: "c", major: 1, minor: 8, access: "rwm" },
  { type: "c", major: 1, minor: 9, access: "rwm" },
  { type: "c", major: 5, minor: 0, access: "rwm" },
  { type: "c", major: 5, minor: 1, access: "rwm" },
  { type: "c", major: 5, minor: 2, access: "rwm" },
  { type: "c", major: 136, access: "rwm" },
];

/** What a step asks of its control group. */
export interface Resources {
  readonly limits: ResourceLimits;
  /** "all" for a step without a sandbox. */
  readonly devices: readonly DeviceRule[] | "all";
}

const CONTROLLER: Readonly<Record<keyof ResourceLimits, string>> = {
  memory: "memory",
  memorySwap: "memory",
  cpuShares: "cpu",
  cpuQuota: "cpu",
  cpuPeriod: "cpu",
  cpusetCpus: "cpuset",
  cpusetMems: "cpuset",
  pids: "pids",
};

/** The controllers that some limits need, in the order of the kernel's own list. */
export function controllersFor(limits: ResourceLimits): string[] {
  const needed = new Set(
    Object.entries(CONTROLLER).flatMap(([key, controller]) =>
      limits[key as keyof ResourceLimits] === undefined ? [] : [controller],
    ),
  );
  return ["cpuset", "cpu", "memory", "pids"].filter((name) => needed.has(name));
}

/** Those limits that the machine has controllers for; the others are told to `warn`, once for each controller. */
export function supportedLimits(
  limits: ResourceLimits,
  layout: CgroupLayout,
  warn: (message: string) => void,
): ResourceLimits {
  const available = new Set(layout.hierarchies.flatMap((hierarchy) => hierarchy.controllers));
  const missing = new Set(controllersFor(limits).filter((name) => !available.has(name)));
  for (const name of missing) warn(`Cannot limit ${name} of the step: this machine has no ${name} controller`);
  return Object.fromEntries(
    Object.entries(limits).filter(([key]) => !missing.has(CONTROLLER[key as keyof ResourceLimits])),
  );
}

/** `linux.resources` of a runtime configuration: OCI runtime specification, config-linux.md. */
export function runtimeResources({ limits, devices }: Resources): Record<string, unknown> {
  const memory = { limit: limits.memory, swap: limits.memorySwap };
  const cpu = {
    shares: limits.cpuShares,
    quota: limits.cpuQuota,
    period: limits.cpuPeriod,
    cpus: limits.cpusetCpus,
    mems: limits.cpusetMems,
  };
  return {
    devices: deviceResources(devices),
    ...(isEmpty(memory) ? {} : { memory }),
    ...(isEmpty(cpu) ? {} : { cpu }),
    ...(limits.pids === undefined ? {} : { pids: { limit: limits.pids } }),
  };
}

function deviceResources(devices: Resources["devices"]): Record<string, unknown>[] {
  if (devices === "all") {
    return [
      { allow: true, type: "c", access: "rwm" },
      { allow: true, type: "b", access: "rwm" },
    ];
  }
  return [{ allow: false, access: "rwm" }, ...devices.map((rule) => ({ allow: true, ...rule }))];
}

function isEmpty(record: Readonly<Record<string, unknown>>): boolean {
  return Object.values(record).every((value) => value === undefined);
}
