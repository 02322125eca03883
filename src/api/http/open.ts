import { type Address, type TcpAccess, type Transport, bind, transportOf } from "../listen/index.ts";
import { guardLoopback, guardTakeovers } from "./guard.ts";
import { HttpServer } from "./server.ts";
import type { Handler } from "./types.ts";
import type { Takeovers } from "./upgrade.ts";

export interface Listener extends AsyncDisposable {
  readonly address: Address;
}

/**
 * Serves a handler on an address until the listener is disposed of. Whoever can connect has the rights of this process. `takeovers`
 * get the connections that do not speak HTTP/1; over TLS, those of requests with `Upgrade` only.
 *
 * @throws {VarveError} `invalid-argument` if the address cannot be used, or if `tcp` does not allow a TCP address.
 */
export async function openListener(
  handler: Handler,
  address: Address,
  tcp: TcpAccess,
  takeovers?: Takeovers,
): Promise<Listener> {
  const transport = await transportOf(address, tcp);
  await using stack = new AsyncDisposableStack();
  const http = stack.use(httpServer(handler, transport, takeovers));
  const bound = stack.use(await bind(http.server, address));
  const owned = stack.move();
  return { address: bound.address, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

function httpServer(handler: Handler, transport: Transport, takeovers: Takeovers | undefined): HttpServer {
  switch (transport.kind) {
    case "unix":
      return new HttpServer(handler, { takeovers });
    case "loopback":
      return new HttpServer(guardLoopback(handler), { takeovers: takeovers && guardTakeovers(takeovers) });
    case "tls":
      return new HttpServer(handler, { tls: transport.options, takeovers });
  }
}
