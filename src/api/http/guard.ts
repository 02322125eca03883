import { isLoopback } from "./address.ts";
import type { Handler, HttpRequest, HttpResponse } from "./types.ts";

/** Keeps pages in a browser of this machine from using a server that asks nobody who they are. */
export function guardLoopback(handler: Handler): Handler {
  return async (request) => (isFromBrowser(request) ? REFUSED : await handler(request));
}

/** A page's request says where it comes from, or is for a name that some page's owner has pointed here. */
function isFromBrowser({ headers }: HttpRequest): boolean {
  const host = (headers.get("host") ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return headers.has("origin") || headers.get("sec-fetch-site") !== undefined || !(host === "" || isLoopback(host));
}

const REFUSED: HttpResponse = {
  status: 403,
  headers: { "Content-Type": "application/json" },
  body: '{"message":"requests of browsers and for other hosts are refused"}\n',
};
