import { once } from "node:events";
import type { ServerResponse } from "node:http";
import type { Bytes } from "../../io/index.ts";
import type { HttpResponse } from "./types.ts";

/**
 * Sends a response. Sends the headers of a stream before its first chunk. `discardBody` discards the rest of the request: a
 * client may read the response only after it has sent its body, and closing the connection earlier may lose the response.
 * Ends the response before that, unless its end closes the connection.
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
    // The status is already sent. A broken connection shows the client that the stream is incomplete.
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
    // The client disconnected. The caller checks `to.destroyed`.
  } finally {
    to.off("close", end);
  }
}
