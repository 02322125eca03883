import { isIP } from "node:net";
import { VarveError } from "../../core/index.ts";

/** Where a server listens. Port 0 means any free port. */
export type Address =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  /** A socket that the parent process has opened, for example systemd. */
  | { readonly kind: "fd"; readonly fd: number };

function refuse(text: string, why: string): never {
  throw new VarveError("invalid-argument", `Cannot listen on ${JSON.stringify(text)}: ${why}`, {
    details: { usage: true },
  });
}

/** The first file descriptor that systemd passes. */
const FIRST_FD = 3;

/**
 * Parses `unix:///path`, `tcp://host:port`, or `fd://`, which is the first socket that systemd passes (`fd://4` is the second one).
 *
 * @throws {VarveError} `invalid-argument` for anything else.
 */
export function parseAddress(text: string): Address {
  const fd = /^fd:\/\/(\d{0,4})$/.exec(text)?.[1];
  if (fd !== undefined) {
    const number = fd === "" ? FIRST_FD : Number(fd);
    if (number < FIRST_FD) refuse(text, `the number of a socket must be at least ${FIRST_FD}`);
    return { kind: "fd", fd: number };
  }
  const unix = /^unix:\/\/(.*)$/s.exec(text)?.[1];
  if (unix !== undefined) {
    if (!unix.startsWith("/")) refuse(text, "the path of a socket must be absolute");
    if (Buffer.byteLength(unix) > 107) refuse(text, "the path of a socket may have at most 107 bytes");
    return { kind: "unix", path: unix };
  }
  const [, host = "", port = ""] = /^tcp:\/\/(\[[0-9a-fA-F:.]+\]|[^:/[\]]+):(\d{1,5})\/?$/.exec(text) ?? [];
  if (host === "") refuse(text, "expected unix:///path, tcp://host:port or fd://");
  if (Number(port) > 65_535) refuse(text, "the port must be at most 65535");
  return { kind: "tcp", host: host.replace(/^\[|\]$/g, ""), port: Number(port) };
}

/** Tests whether a host is a loopback address, which only this machine can reach. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix://${address.path}`;
  if (address.kind === "fd") return `fd://${address.fd}`;
  return `tcp://${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}
