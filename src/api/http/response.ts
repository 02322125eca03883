import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Bytes } from "../../io/index.ts";
import type { HttpResponse } from "./types.ts";

/**
 * Sends a response. The headers of a stream are sent before its first piece. `rest` is awaited when all has been said and
 * before the response ends: Node takes no more of a request that has been answered.
 */
export async function sendResponse(
  to: ServerResponse,
  { status, headers, body }: HttpResponse,
  rest: () => Promise<void>,
): Promise<void> {
  if (to.destroyed) return;
  if (body === undefined || typeof body === "string" || body instanceof Uint8Array) {
    const bytes = Buffer.from(body ?? "");
    to.writeHead(status, { ...headers, "Content-Length": bytes.length });
    if (bytes.length === 0) to.flushHeaders();
    else to.write(bytes);
  } else {
    to.writeHead(status, headers);
    await sendStream(to, body);
  }
  await rest();
  to.end();
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
