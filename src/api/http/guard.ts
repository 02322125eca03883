import { isLoopback } from "../listen/index.ts";
import type { Handler, HttpRequest, HttpResponse } from "./types.ts";

/** Rejects requests of web pages in a local browser, because an unauthenticated server would serve them. */
export function guardLoopback(handler: Handler): Handler {
  return async (request) => (isFromBrowser(request) ? REFUSED : await handler(request));
}

/** A web page's request has an `Origin` or `Sec-Fetch-Site` header, or a foreign host name (DNS rebinding). */
function isFromBrowser({ headers }: HttpRequest): boolean {
  const host = (headers.get("host") ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return headers.has("origin") || headers.get("sec-fetch-site") !== undefined || !(host === "" || isLoopback(host));
}

const REFUSED: HttpResponse = {
  status: 403,
  headers: { "Content-Type": "application/json" },
  body: '{"message":"requests from browsers and for hosts other than loopback are not allowed"}\n',
};
