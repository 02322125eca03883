import { join } from "node:path";
import { VarveError } from "../../core/index.ts";
import { tryLock } from "../../linux/index.ts";
import { type Subnet, ipv4Text } from "./subnet.ts";

/** An address that nobody else uses until it is disposed of. */
export interface Address extends Disposable {
  readonly text: string;
  /** The hardware address that belongs to it: whoever has it next has the same, so that neighbours need not forget. */
  readonly hardware: Uint8Array;
}

/** Locally administered, as of containers of Docker. */
const HARDWARE_PREFIX = [0x02, 0x42];

/**
 * Takes the lowest free address of a subnet. Each one is a file in `directory` that is locked while it is in use, so that the kernel frees the
 * addresses of a process that is killed.
 *
 * @throws {VarveError} `unsupported` if all are in use.
 */
export function takeAddress(directory: string, { first, last, text: subnet }: Subnet): Address {
  for (let value = first; value <= last; value += 1) {
    const text = ipv4Text(value);
    const lock = tryLock(join(directory, text));
    if (lock === undefined) continue;
    const hardware = Buffer.from([...HARDWARE_PREFIX, ...text.split(".").map(Number)]);
    return { text, hardware, [Symbol.dispose]: () => lock[Symbol.dispose]() };
  }
  throw new VarveError("unsupported", `Cannot give the step a network: all addresses of ${subnet} are in use`, {
    hint: "Set a larger bridgeSubnet.",
  });
}
