import { isIPv4 } from "node:net";
import { VarveError } from "../../core/index.ts";

/** A range of IPv4 addresses. */
export interface Subnet {
  /** As given, with the bits after the prefix cleared: `10.1.0.0/16`. */
  readonly text: string;
  readonly prefix: number;
  /** The address of the bridge: the first one. */
  readonly gateway: string;
  /** The first and last address of steps, as numbers. */
  readonly first: number;
  readonly last: number;
}

const MIN_PREFIX = 8;
/** The bridge, five steps, and the two addresses that no machine has. */
const MAX_PREFIX = 29;

/** @throws {VarveError} `invalid-argument` for anything but an IPv4 network with a prefix from 8 to 29. */
export function parseSubnet(text: string): Subnet {
  const [address = "", length = "", ...rest] = text.split("/");
  const prefix = /^\d{1,2}$/.test(length) ? Number(length) : 0;
  if (!isIPv4(address) || rest.length > 0 || prefix < MIN_PREFIX || prefix > MAX_PREFIX)
    throw new VarveError(
      "invalid-argument",
      `Cannot use subnet ${JSON.stringify(text)}: expected an IPv4 network such as 10.1.0.0/16, with a prefix from ${MIN_PREFIX} to ${MAX_PREFIX}`,
    );
  const size = 2 ** (32 - prefix);
  const base = Math.floor(ipv4Number(address) / size) * size;
  return {
    text: `${ipv4Text(base)}/${prefix}`,
    prefix,
    gateway: ipv4Text(base + 1),
    first: base + 2,
    last: base + size - 2,
  };
}

export function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
}

function ipv4Number(text: string): number {
  return text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

/**
 * Returns the interface that the machine's routing table sends addresses of a subnet to; undefined if there is none but the default route.
 * `table` has the format of `/proc/net/route`.
 */
export function routeTo({ first, last }: Subnet, table: string): string | undefined {
  for (const line of table.split("\n").slice(1)) {
    const [device = "", destination = "", , , , , , mask = ""] = line.split(/\s+/);
    const [from, bits] = [destination, mask].map(littleEndian);
    if (from === undefined || bits === undefined || bits === 0) continue;
    const to = from + (2 ** 32 - 1 - bits);
    if (from <= last && first <= to) return device;
  }
  return undefined;
}

/** A number of the kernel's table: four bytes in hexadecimal, the last one first. */
function littleEndian(hex: string): number | undefined {
  if (!/^[0-9A-F]{8}$/i.test(hex)) return undefined;
  return Buffer.from(hex, "hex").readUInt32LE();
}
