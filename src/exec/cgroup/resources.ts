import type { CgroupLayout } from "./layout.ts";
import type { ResourceLimits } from "../types.ts";

/** A rule of the devices controller, as in `linux.resources.devices` of a runtime configuration. */
export interface DeviceRule {
  readonly type: "a" | "b" | "c";
  /** If absent, the rule is for every number. */
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  readonly access: string;
}

/** Docker's default rules: a container may create any node and use only harmless devices. */
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

/** The limits and device rules of a step's control group. */
export interface Resources {
  readonly limits: ResourceLimits;
  /** "all" for an insecure step. */
  readonly devices: readonly DeviceRule[] | "all";
}

/** The controller that enforces each limit, in the order of the kernel's own list of controllers. */
const CONTROLLERS: readonly (readonly [limit: keyof ResourceLimits, controller: string])[] = [
  ["cpusetCpus", "cpuset"],
  ["cpusetMems", "cpuset"],
  ["cpuShares", "cpu"],
  ["cpuQuota", "cpu"],
  ["cpuPeriod", "cpu"],
  ["memory", "memory"],
  ["memorySwap", "memory"],
  ["pids", "pids"],
];

/** Returns the controllers that enforce the given limits, in the order of the kernel's own list. */
export function controllersFor(limits: ResourceLimits): string[] {
  const needed = CONTROLLERS.filter(([limit]) => limits[limit] !== undefined);
  return [...new Set(needed.map(([, controller]) => controller))];
}

/** Returns the limits for which the machine has controllers. Calls `warn` once for each controller that is missing. */
export function supportedLimits(
  limits: ResourceLimits,
  layout: CgroupLayout,
  warn: (message: string) => void,
): ResourceLimits {
  const available = new Set(layout.hierarchies.flatMap((hierarchy) => hierarchy.controllers));
  const missing = new Set(controllersFor(limits).filter((name) => !available.has(name)));
  for (const name of missing) warn(`Cannot limit ${name} of the step: this machine has no ${name} controller`);
  const supported: { -readonly [Limit in keyof ResourceLimits]: ResourceLimits[Limit] } = { ...limits };
  for (const [limit, controller] of CONTROLLERS) if (missing.has(controller)) delete supported[limit];
  return supported;
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
