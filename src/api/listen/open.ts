import { readFile } from "node:fs/promises";
import type { Server } from "node:net";
import { VarveError, toVarveError } from "../../core/index.ts";
import { type Address, formatAddress, isLoopback } from "./address.ts";
import { listen } from "./listen.ts";
import { type SocketAccess, listenUnix } from "./unix-socket.ts";

/** Paths of PEM files: the server's certificate and key, and the CA of the clients' certificates. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** Which TCP clients are accepted: those with a certificate, all on the loopback interface, or none. */
export type TcpAccess =
  | { readonly kind: "tls"; readonly files: TlsFiles }
  | { readonly kind: "insecure-loopback" }
  | { readonly kind: "none" };

/** Options of a TLS server that requires certificates of its clients. */
export interface MutualTls {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly requestCert: true;
  readonly rejectUnauthorized: true;
  readonly minVersion: "TLSv1.2";
}

/** How the clients of a server connect: over a unix socket, over TCP with certificates, or over TCP from this machine only. */
export type Transport =
  | { readonly kind: "unix" }
  | { readonly kind: "tls"; readonly options: MutualTls }
  | { readonly kind: "loopback" };

/**
 * Returns how clients of an address connect. Whoever can connect has the rights of this process.
 *
 * @throws {VarveError} `invalid-argument` if `tcp` does not allow a TCP address, or a file cannot be read.
 */
export async function transportOf(address: Address, tcp: TcpAccess): Promise<Transport> {
  if (address.kind !== "tcp") return { kind: "unix" };
  const where = formatAddress(address);
  switch (tcp.kind) {
    case "none":
      throw new VarveError("invalid-argument", `Cannot listen on ${where}: TCP clients would not be authenticated`, {
        details: { usage: true },
        hint: "Use a unix socket, --tlsverify with --tlscacert, --tlscert and --tlskey, or on loopback addresses --insecure-tcp.",
      });
    case "insecure-loopback":
      if (isLoopback(address.host)) return { kind: "loopback" };
      throw new VarveError("invalid-argument", `Cannot listen on ${where} without TLS: it is not a loopback address`, {
        details: { usage: true },
      });
    case "tls":
      return { kind: "tls", options: { ...(await readFiles(tcp.files)), ...MUTUAL } };
  }
}

const MUTUAL = { requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.2" } as const;

async function readFiles({ ca, cert, key }: TlsFiles): Promise<{ ca: Buffer; cert: Buffer; key: Buffer }> {
  const read = async (path: string): Promise<Buffer> => {
    try {
      return await readFile(path);
    } catch (error) {
      throw toVarveError(error, `read ${path}`, "invalid-argument");
    }
  };
  return { ca: await read(ca), cert: await read(cert), key: await read(key) };
}

/** An address that a server listens on, until it is disposed of. The server itself is not closed. */
export interface Bound extends AsyncDisposable {
  /** With the port that was chosen for port 0. */
  readonly address: Address;
}

/**
 * Makes a server listen on an address. `access` is for unix sockets; see `listenUnix`.
 *
 * @throws {VarveError} `invalid-argument` if the address cannot be used, or `fd` is not a unix socket; `busy` and `already-exists` as `listenUnix`.
 */
export async function bind(server: Server, address: Address, access?: SocketAccess): Promise<Bound> {
  switch (address.kind) {
    case "unix": {
      const socket = await listenUnix(server, address.path, access);
      return { address, [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose]() };
    }
    case "fd":
      await listening(server, { fd: address.fd }, address);
      if (isTcp(server)) await refuseInherited(server, address);
      return { address, [Symbol.asyncDispose]: () => Promise.resolve() };
    case "tcp": {
      await listening(server, { host: address.host, port: address.port }, address);
      const bound = server.address();
      if (bound === null || typeof bound === "string")
        throw new VarveError("internal", "Cannot listen: no TCP address");
      return { address: { ...address, port: bound.port }, [Symbol.asyncDispose]: () => Promise.resolve() };
    }
  }
}

/** An inherited unix socket has no address here. */
function isTcp(server: Server): boolean {
  return server.address() !== null;
}

/** Everybody on the network could use an inherited TCP socket: `transportOf` has not asked for certificates. */
async function refuseInherited(server: Server, address: Address): Promise<never> {
  await new Promise((resolve) => server.close(resolve));
  throw new VarveError("invalid-argument", `Cannot listen on ${formatAddress(address)}: it is not a unix socket`, {
    details: { usage: true },
  });
}

async function listening(server: Server, options: Parameters<typeof listen>[1], address: Address): Promise<void> {
  try {
    await listen(server, options);
  } catch (error) {
    throw toVarveError(error, `listen on ${formatAddress(address)}`, "invalid-argument");
  }
}
