import { closeSync } from "node:fs";
import { isIPv4 } from "node:net";
import { Errno, systemError } from "./errno.ts";
import { libcCall } from "./libc.ts";

/** Numbers of linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h and linux/veth.h. */
const AF_NETLINK = 16;
const AF_INET = 2;
const SOCK_RAW_CLOEXEC = 0x8_0003;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const NLMSG_ERROR = 2;
const RTM = { newlink: 16, dellink: 17, getlink: 18, newaddr: 20, newroute: 24 } as const;
const REQUEST = 0x1;
const ACK = 0x4;
const CREATE = 0x400;
const EXCL = 0x200;
const IFLA = { address: 1, ifname: 3, master: 10, linkinfo: 18, netNsFd: 28 } as const;
const INFO = { kind: 1, data: 2 } as const;
const VETH_PEER = 1;
const IFA = { address: 1, local: 2 } as const;
const RTA_GATEWAY = 5;
const IFF_UP = 1;
const HEADER = 16;
const LINK_HEADER = 16;
const ANSWER = 65_536;
/** Seconds that the kernel has to answer. It answers at once. */
const PATIENCE = 10n;

const socket = libcCall("socket", ["int", "int", "int"]);
const setsockopt = libcCall("setsockopt", ["int", "int", "int", "void *", "uint"]);
const send = libcCall("send", ["int", "void *", "size_t", "int"], "long");
const recv = libcCall("recv", ["int", "void *", "size_t", "int"], "long");

/** A network interface. */
export interface NetworkLink {
  readonly index: number;
  /** Such as `bridge`; undefined for a device. */
  readonly kind: string | undefined;
}

/** A pair of interfaces: what goes into one comes out of the other. */
export interface VethPair {
  readonly name: string;
  /** Index of the bridge that the interface becomes a port of. */
  readonly master?: number | undefined;
  /** The other end, in another namespace. */
  readonly peer: {
    readonly name: string;
    /** Descriptor. */
    readonly namespace: number;
    /** Hardware address, six bytes. Default: a random one. */
    readonly address?: Uint8Array | undefined;
  };
}

/**
 * The interfaces, addresses and routes of the network namespace that this thread is in when the object is made: rtnetlink(7). Failures are
 * errors with the kernel's code, such as EPERM.
 */
export class NetworkLinks implements Disposable {
  readonly #socket: number;
  #sequence = 0;

  constructor() {
    this.#socket = socket({}, AF_NETLINK, SOCK_RAW_CLOEXEC, 0);
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(PATIENCE);
    setsockopt({}, this.#socket, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length);
  }

  /** Returns the interface with a name; undefined if there is none. */
  find(name: string): NetworkLink | undefined {
    try {
      const [answer] = this.#request(RTM.getlink, 0, [linkHeader(), text(IFLA.ifname, name)]);
      if (answer === undefined) return undefined;
      return { index: answer.readInt32LE(4), kind: kindOf(answer.subarray(LINK_HEADER)) };
    } catch (error) {
      if (isErrno(error, "ENODEV")) return undefined;
      throw error;
    }
  }

  /** Makes a bridge without ports. Throws EEXIST for a name in use. */
  addBridge(name: string): void {
    const info = attribute(IFLA.linkinfo, text(INFO.kind, "bridge"));
    this.#request(RTM.newlink, CREATE | EXCL, [linkHeader(), text(IFLA.ifname, name), info]);
  }

  /** Makes a pair of interfaces; the one in this namespace is up. */
  addVeth({ name, master, peer }: VethPair): void {
    const peerParts = [
      linkHeader(),
      text(IFLA.ifname, peer.name),
      number(IFLA.netNsFd, peer.namespace),
      ...(peer.address === undefined ? [] : [attribute(IFLA.address, peer.address)]),
    ];
    const data = attribute(INFO.data, attribute(VETH_PEER, ...peerParts));
    this.#request(RTM.newlink, CREATE | EXCL, [
      linkHeader({ up: true }),
      text(IFLA.ifname, name),
      ...(master === undefined ? [] : [number(IFLA.master, master)]),
      attribute(IFLA.linkinfo, text(INFO.kind, "veth"), data),
    ]);
  }

  setUp({ index }: Pick<NetworkLink, "index">): void {
    this.#request(RTM.newlink, 0, [linkHeader({ index, up: true })]);
  }

  /** Removes an interface, and the other end of a pair. */
  remove({ index }: Pick<NetworkLink, "index">): void {
    this.#request(RTM.dellink, 0, [linkHeader({ index })]);
  }

  /** As `remove`, on a thread of libuv's pool: the kernel waits until no processor uses the interface, which takes tens of milliseconds. */
  async removeLater({ index }: Pick<NetworkLink, "index">): Promise<void> {
    const message = this.#message(RTM.dellink, 0, [linkHeader({ index })]);
    await send.async({}, this.#socket, message, message.length, 0);
    this.#answers();
  }

  /** Gives an interface an IPv4 address. One that it has already is no error. */
  addAddress({ index }: Pick<NetworkLink, "index">, address: string, prefix: number): void {
    const header = Buffer.alloc(8);
    header.writeUInt8(AF_INET, 0);
    header.writeUInt8(prefix, 1);
    header.writeInt32LE(index, 4);
    const bytes = ipv4Bytes(address);
    try {
      this.#request(RTM.newaddr, CREATE | EXCL, [header, attribute(IFA.local, bytes), attribute(IFA.address, bytes)]);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
    }
  }

  /** Sends everything that has no other route to an IPv4 address. */
  addDefaultRoute(gateway: string): void {
    const [main, boot, universe, unicast] = [254, 3, 0, 1];
    const header = Buffer.from([AF_INET, 0, 0, 0, main, boot, universe, unicast, 0, 0, 0, 0]);
    this.#request(RTM.newroute, CREATE | EXCL, [header, attribute(RTA_GATEWAY, ipv4Bytes(gateway))]);
  }

  [Symbol.dispose](): void {
    closeSync(this.#socket);
  }

  /** Returns the bodies of the answers that come before the kernel's acknowledgement. */
  #request(type: number, flags: number, parts: readonly Uint8Array[]): Buffer[] {
    const message = this.#message(type, flags, parts);
    send({}, this.#socket, message, message.length, 0);
    return this.#answers();
  }

  #message(type: number, flags: number, parts: readonly Uint8Array[]): Buffer {
    const body = Buffer.concat(parts);
    const header = Buffer.alloc(HEADER);
    this.#sequence += 1;
    header.writeUInt32LE(HEADER + body.length, 0);
    header.writeUInt16LE(type, 4);
    header.writeUInt16LE(REQUEST | ACK | flags, 6);
    header.writeUInt32LE(this.#sequence, 8);
    return Buffer.concat([header, body]);
  }

  #answers(): Buffer[] {
    const answers: Buffer[] = [];
    for (;;) {
      const buffer = Buffer.alloc(ANSWER);
      const length = recv({}, this.#socket, buffer, buffer.length, 0);
      for (const answer of messagesIn(buffer.subarray(0, length))) {
        if (answer.sequence !== this.#sequence) continue;
        if (answer.type !== NLMSG_ERROR) {
          answers.push(answer.body);
          continue;
        }
        const errno = -answer.body.readInt32LE(0);
        if (errno === 0) return answers;
        throw systemError(errno, "netlink");
      }
    }
  }
}

function* messagesIn(
  buffer: Buffer,
): Generator<{ readonly type: number; readonly sequence: number; readonly body: Buffer }> {
  for (let at = 0; at + HEADER <= buffer.length;) {
    const length = buffer.readUInt32LE(at);
    if (length < HEADER) return;
    const end = at + length;
    yield {
      type: buffer.readUInt16LE(at + 4),
      sequence: buffer.readUInt32LE(at + 8),
      body: buffer.subarray(at + HEADER, end),
    };
    at = end + ((4 - (length % 4)) % 4);
  }
}

/** Reads the kind of an interface from the attributes of an answer. */
function kindOf(attributes: Buffer): string | undefined {
  const info = find(attributes, IFLA.linkinfo);
  const kind = info === undefined ? undefined : find(info, INFO.kind);
  return kind?.toString("latin1").replace(/\0.*$/, "");
}

function find(attributes: Buffer, wanted: number): Buffer | undefined {
  for (let at = 0; at + 4 <= attributes.length;) {
    const length = attributes.readUInt16LE(at);
    if (length < 4) return undefined;
    // The upper bits are flags.
    if ((attributes.readUInt16LE(at + 2) & 0x3fff) === wanted) return attributes.subarray(at + 4, at + length);
    at += length + ((4 - (length % 4)) % 4);
  }
  return undefined;
}

/** `struct ifinfomsg`. */
function linkHeader({ index = 0, up = false }: { readonly index?: number; readonly up?: boolean } = {}): Buffer {
  const header = Buffer.alloc(LINK_HEADER);
  header.writeInt32LE(index, 4);
  if (up) {
    header.writeUInt32LE(IFF_UP, 8);
    header.writeUInt32LE(IFF_UP, 12);
  }
  return header;
}

function attribute(type: number, ...parts: readonly Uint8Array[]): Buffer {
  const data = Buffer.concat(parts);
  const result = Buffer.alloc(4 + data.length + ((4 - (data.length % 4)) % 4));
  result.writeUInt16LE(4 + data.length, 0);
  result.writeUInt16LE(type, 2);
  result.set(data, 4);
  return result;
}

function text(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`, "latin1"));
}

function number(type: number, value: number): Buffer {
  const data = Buffer.alloc(4);
  data.writeUInt32LE(value);
  return attribute(type, data);
}

function ipv4Bytes(address: string): Buffer {
  if (!isIPv4(address)) throw systemError(Errno.EINVAL, "netlink", address);
  return Buffer.from(address.split(".").map(Number));
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
