import { readFile } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { VarveError, toVarveError } from "../../core/index.ts";
import { type Address, formatAddress, isLoopback } from "./address.ts";
import { guardLoopback } from "./guard.ts";
import { listen } from "./listen.ts";
import { HttpServer } from "./server.ts";
import type { Handler } from "./types.ts";
import { listenUnix } from "./unix-socket.ts";

/** Paths of PEM files: the server's certificate and key, and the authority of those who may connect. */
export interface TlsFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** What may come over TCP: clients with a certificate, or whoever is on this machine. */
export type TcpAccess =
  | { readonly kind: "tls"; readonly files: TlsFiles }
  | { readonly kind: "insecure-loopback" }
  | { readonly kind: "none" };

export interface Listener extends AsyncDisposable {
  readonly address: Address;
}

/**
 * Serves a handler on an address until disposed of. Whoever can connect can do what this process can: over TCP that takes
 * a client certificate, or an explicit word and an address only this machine reaches. Throws `invalid-argument` otherwise.
 */
export async function openListener(handler: Handler, address: Address, tcp: TcpAccess): Promise<Listener> {
  await using stack = new AsyncDisposableStack();
  if (address.kind === "unix") {
    const http = stack.use(new HttpServer(handler));
    stack.use(await listenUnix(http.server, address.path));
    const owned = stack.move();
    return { address, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }
  const http = stack.use(await tcpServer(handler, address, tcp));
  try {
    await listen(http.server, { host: address.host, port: address.port });
  } catch (error) {
    throw toVarveError(error, `listen on ${formatAddress(address)}`, "invalid-argument");
  }
  const { port } = http.server.address() as AddressInfo;
  const owned = stack.move();
  return { address: { ...address, port }, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function tcpServer(handler: Handler, address: Address & { kind: "tcp" }, tcp: TcpAccess): Promise<HttpServer> {
  const where = formatAddress(address);
  switch (tcp.kind) {
    case "none":
      throw new VarveError("invalid-argument", `Cannot listen on ${where}: anybody could connect`, {
        details: { usage: true },
        hint: "Use --tlsverify with --tlscacert, --tlscert and --tlskey, or a unix socket; on loopback --insecure-tcp.",
      });
    case "insecure-loopback":
      if (!isLoopback(address.host))
        throw new VarveError("invalid-argument", `Cannot listen on ${where} without TLS: it is no loopback address`, {
          details: { usage: true },
        });
      return new HttpServer(guardLoopback(handler));
    case "tls":
      return new HttpServer(handler, { ...(await readFiles(tcp.files)), ...MUTUAL });
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
