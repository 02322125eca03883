import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Bytes } from "../../io/index.ts";
import type { HttpResponse } from "./types.ts";

/**
 * Sends a response. The headers of a stream are sent before its first piece. `discardBody` drops what the client still sends
 * of its request: a client that cannot send may not read either, and a connection closed before may lose the response.
 * The response ends first, so that no client waits for it, unless Node closes the connection with it.
 */
export async function sendResponse(
  to: ServerResponse,
  response: HttpResponse,
  discardBody: () => Promise<void>,
): Promise<void> {
  if (to.destroyed) return;
  await sendBody(to, response);
  if (to.shouldKeepAlive) {
    to.end();
    await discardBody();
  } else {
    await discardBody();
    to.end();
  }
}

async function sendBody(to: ServerResponse, { status, headers, body }: HttpResponse): Promise<void> {
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) {
    const bytes = Buffer.from(body ?? "");
    to.writeHead(status, { ...headers, "Content-Length": bytes.length });
    if (bytes.length === 0) to.flushHeaders();
    else to.write(bytes);
  } else {
    to.writeHead(status, headers);
    await sendStream(to, body);
  }
}

async function sendStream(to: ServerResponse, body: Bytes): Promise<void> {
  to.flushHeaders();
  try {
    for await (const piece of body) {
      if (to.destroyed) return;
      if (!to.write(piece)) await drained(to);
    }
  } catch {
    // What can be told has been told in the stream: the client must see that this one is not whole.
    to.destroy();
  }
}

async function drained(to: ServerResponse): Promise<void> {
  const gone = new AbortController();
  const end = (): void => gone.abort();
  to.once("close", end);
  try {
    await once(to, "drain", { signal: gone.signal });
  } catch {
    // The client has gone; the caller sees that the response is destroyed.
  } finally {
    to.off("close", end);
  }
}
