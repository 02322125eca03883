import { readFile } from "node:fs/promises";
import { VarveError, toVarveError } from "../../core/index.ts";
import { type Address, formatAddress, isLoopback } from "./address.ts";
import { guardLoopback } from "./guard.ts";
import { listen } from "./listen.ts";
import { HttpServer } from "./server.ts";
import type { Handler } from "./types.ts";
import { listenUnix } from "./unix-socket.ts";

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

export interface Listener extends AsyncDisposable {
  readonly address: Address;
}

/**
 * Serves a handler on an address until the listener is disposed of. Whoever can connect has the rights of this process.
 *
 * @throws {VarveError} `invalid-argument` if the address cannot be used, or if `tcp` does not allow a TCP address.
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
  const bound = http.server.address();
  if (bound === null || typeof bound === "string") throw new VarveError("internal", "Cannot listen: no TCP address");
  const { port } = bound;
  const owned = stack.move();
  return { address: { ...address, port }, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function tcpServer(handler: Handler, address: Address & { kind: "tcp" }, tcp: TcpAccess): Promise<HttpServer> {
  const where = formatAddress(address);
  switch (tcp.kind) {
    case "none":
      throw new VarveError("invalid-argument", `Cannot listen on ${where}: TCP clients would not be authenticated`, {
        details: { usage: true },
        hint: "Use a unix socket, --tlsverify with --tlscacert, --tlscert and --tlskey, or on loopback addresses --insecure-tcp.",
      });
    case "insecure-loopback":
      if (!isLoopback(address.host))
        throw new VarveError(
          "invalid-argument",
          `Cannot listen on ${where} without TLS: it is not a loopback address`,
          {
            details: { usage: true },
          },
        );
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
