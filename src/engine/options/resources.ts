import { VarveError } from "../../core/index.ts";
import type { ResourceLimits } from "../../exec/index.ts";
import type { LinuxResources } from "../../llb/index.ts";
import type { StepResources } from "./options.ts";

/** Docker's minimum. With less memory, the runtime itself may fail to start. */
const LEAST_MEMORY = 6 * 1_048_576;
/** The kernel's limits. The period and the quota are in microseconds; shares are weights. */
const PERIOD = { least: 1000, most: 1_000_000 };
const LEAST_QUOTA = 1000;
const SHARES = { least: 2, most: 262_144 };
const CPU_LIST = /^\d{1,5}(?:-\d{1,5})?(?:,\d{1,5}(?:-\d{1,5})?)*$/;

/**
 * Returns the resource limits to put into the vertices of steps, or undefined if there are none.
 *
 * @throws {VarveError} `invalid-argument` for a value that the kernel does not accept.
 */
export function linuxResources(given: StepResources = {}): LinuxResources | undefined {
  const { memory = 0, memorySwap = 0, cpuShares = 0, cpuPeriod = 0, cpuQuota = 0 } = given;
  const { cpusetCpus = "", cpusetMems = "" } = given;
  const numbers = { memory, memorySwap, cpuShares, cpuPeriod, cpuQuota };
  for (const [name, value] of Object.entries(numbers)) {
    const least = name === "memorySwap" ? -1 : 0;
    if (!Number.isSafeInteger(value) || value < least) throw refusal(name, value, "not a whole number");
  }
  checkMemory(memory, memorySwap);
  if (cpuPeriod !== 0) checkWithin("cpuPeriod", cpuPeriod, PERIOD);
  if (cpuQuota !== 0 && cpuQuota < LEAST_QUOTA) throw refusal("cpuQuota", cpuQuota, `less than ${LEAST_QUOTA}`);
  if (cpuShares !== 0) checkWithin("cpuShares", cpuShares, SHARES);
  for (const [name, list] of Object.entries({ cpusetCpus, cpusetMems }))
    if (list !== "" && !CPU_LIST.test(list)) throw refusal(name, list, "not a list such as 0-2,4");
  const resources = { ...numbers, cpusetCpus, cpusetMems };
  return Object.values(resources).every((value) => value === 0 || value === "") ? undefined : resources;
}

function checkMemory(memory: number, memorySwap: number): void {
  if (memory !== 0 && memory < LEAST_MEMORY) throw refusal("memory", memory, `less than ${LEAST_MEMORY} bytes`);
  if (memorySwap > 0 && memory === 0) throw refusal("memorySwap", memorySwap, "a limit of memory is required too");
  if (memorySwap > 0 && memorySwap < memory) throw refusal("memorySwap", memorySwap, "less than the limit of memory");
}

function checkWithin(name: string, value: number, { least, most }: { least: number; most: number }): void {
  if (value < least || value > most) throw refusal(name, value, `not between ${least} and ${most}`);
}

function refusal(name: string, value: number | string, why: string): VarveError {
  return new VarveError("invalid-argument", `Cannot limit ${name} of steps to ${JSON.stringify(value)}: ${why}`);
}

/** Converts the limits of a vertex to those of the runner. */
export function resourceLimits(resources: LinuxResources | undefined): ResourceLimits {
  const given = Object.entries(resources ?? {}).filter(([, value]) => value !== 0 && value !== "");
  return Object.fromEntries(given);
}
