import { EventEmitter, once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface SilentServer extends AsyncDisposable {
  /** `127.0.0.1:<port>`. */
  readonly host: string;
  /** Method and path of each request, in order. */
  readonly requests: readonly string[];
  /** Settles with the next request. */
  next(): Promise<unknown>;
}

/** An HTTP server that takes every request and answers none, but for those that `answer` does something about. */
export async function startSilentServer(
  answer: (request: IncomingMessage, response: ServerResponse) => void = () => undefined,
): Promise<SilentServer> {
  const requests: string[] = [];
  const news = new EventEmitter();
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${new URL(request.url ?? "/", "http://server").pathname}`);
    news.emit("request");
    answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    next: () => once(news, "request"),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
