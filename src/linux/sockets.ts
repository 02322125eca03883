import { closeSync } from "node:fs";
import { isIPv4, isIPv6 } from "node:net";
import { Errno, systemError } from "./errno.ts";
import { libcCall } from "./libc.ts";

const socket = libcCall("socket", ["int", "int", "int"]);
const connect = libcCall("connect", ["int", "void *", "uint"]);
const getsockopt = libcCall("getsockopt", ["int", "int", "int", "void *", "void *"]);
const poll = libcCall("poll", ["void *", "ulong", "int"]);
const AF_INET = 2;
const AF_INET6 = 10;
/** SOCK_STREAM, SOCK_NONBLOCK and SOCK_CLOEXEC. */
const STREAM = 0x8_0801;
const SOL_SOCKET = 1;
const SO_ERROR = 4;
const POLLOUT = 4;

/**
 * Starts to connect to an address, in the network namespace that this thread is in. Returns a descriptor that the caller closes, or gives to
 * `new net.Socket({ fd })` once `isConnected`.
 */
export function startConnection(address: string, port: number): number {
  const target = socketAddress(address, port);
  const fd = socket({}, target.readUInt16LE(0), STREAM, 0);
  const left = connect.attempt(fd, target, target.length);
  if (left >= 0 || left === -Errno.EINPROGRESS) return fd;
  closeSync(fd);
  throw systemError(-left, "connect", address);
}

/** Returns whether a connection that was started has been made. Throws if it has failed. */
export function isConnected(fd: number): boolean {
  const entry = Buffer.alloc(8);
  entry.writeInt32LE(fd, 0);
  entry.writeInt16LE(POLLOUT, 4);
  if (poll({}, entry, 1, 0) === 0) return false;
  const [error, length] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32LE(error.length);
  getsockopt({}, fd, SOL_SOCKET, SO_ERROR, error, length);
  const errno = error.readInt32LE();
  if (errno === 0) return true;
  throw systemError(errno, "connect");
}

/** `struct sockaddr_in` or `sockaddr_in6`. */
function socketAddress(address: string, port: number): Buffer {
  if (isIPv4(address)) {
    const result = Buffer.alloc(16);
    result.writeUInt16LE(AF_INET, 0);
    result.writeUInt16BE(port, 2);
    result.set(address.split(".").map(Number), 4);
    return result;
  }
  if (!isIPv6(address)) throw systemError(Errno.EINVAL, "connect", address);
  const result = Buffer.alloc(28);
  result.writeUInt16LE(AF_INET6, 0);
  result.writeUInt16BE(port, 2);
  result.set(ipv6Bytes(address), 8);
  return result;
}

/** Returns the sixteen bytes of an IPv6 address. A zone is left out. */
export function ipv6Bytes(address: string): Buffer {
  const { hostname } = new URL(`http://[${address.replace(/%.*$/, "")}]`);
  const [left = "", right = ""] = hostname.slice(1, -1).split("::");
  const groups = (part: string): number[] =>
    part
      .split(":")
      .filter(Boolean)
      .map((group) => Number.parseInt(group, 16));
  const [before, after] = [groups(left), groups(right)];
  const zeros = Array<number>(Math.max(0, 8 - before.length - after.length)).fill(0);
  const bytes = Buffer.alloc(16);
  for (const [index, group] of [...before, ...zeros, ...after].slice(0, 8).entries())
    bytes.writeUInt16BE(group, index * 2);
  return bytes;
}
