import { isIP } from "node:net";
import { VarveError } from "../../core/index.ts";

/** Where a server listens. Port 0 is any free one. */
export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number };

function refuse(text: string, why: string): never {
  throw new VarveError("invalid-argument", `Cannot listen on ${JSON.stringify(text)}: ${why}`, {
    details: { usage: true },
  });
}

/** Reads `unix:///path` or `tcp://host:port`; throws `invalid-argument`. */
export function parseAddress(text: string): Address {
  const unix = /^unix:\/\/(.*)$/s.exec(text)?.[1];
  if (unix !== undefined) {
    if (!unix.startsWith("/")) refuse(text, "the path of a socket must be absolute");
    if (Buffer.byteLength(unix) > 107) refuse(text, "the path of a socket has 107 bytes at most");
    return { kind: "unix", path: unix };
  }
  const [, host = "", port = ""] = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+):(\d{1,5})\/?$/.exec(text) ?? [];
  if (host === "") refuse(text, "expected unix:///path or tcp://host:port");
  if (Number(port) > 65_535) refuse(text, "there is no such port");
  return { kind: "tcp", host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** True for a host that only this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  return `tcp://${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}
