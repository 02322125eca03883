import { isIP } from "node:net";
import { VarveError } from "../../core/index.ts";

/** Where a server listens. Port 0 means any free port. */
export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

function refuse(text: string, why: string): never {
  throw new VarveError("invalid-argument", `Cannot listen on ${JSON.stringify(text)}: ${why}`, {
    details: { usage: true },
  });
}

/**
 * Parses `unix:///path` or `tcp://host:port`.
 *
 * @throws {VarveError} `invalid-argument` for anything else.
 */
export function parseAddress(text: string): Address {
  const unix = /^unix:\/\/(.*)$/s.exec(text)?.[1];
  if (unix !== undefined) {
    if (!unix.startsWith("/")) refuse(text, "the path of a socket must be absolute");
    if (Buffer.byteLength(unix) > 107) refuse(text, "the path of a socket may have at most 107 bytes");
    return { kind: "unix", path: unix };
  }
  const [, host = "", port = ""] = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+):(\d{1,5})\/?$/.exec(text) ?? [];
  if (host === "") refuse(text, "expected unix:///path or tcp://host:port");
  if (Number(port) > 65_535) refuse(text, "the port must be at most 65535");
  return { kind: "tcp", host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** Tests whether a host is a loopback address, which only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  return `tcp://${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}
