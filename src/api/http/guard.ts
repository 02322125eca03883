import { isLoopback } from "../listen/index.ts";
import type { Handler, HttpRequest, HttpResponse } from "./types.ts";
import type { Takeovers } from "./upgrade.ts";

/** Rejects requests of web pages in a local browser, because an unauthenticated server would serve them. */
export function guardLoopback(handler: Handler): Handler {
  return async (request) => (isFromBrowser(request) ? REFUSED : await handler(request));
}

/**
 * Hands over no connection of a web page. Its request is answered as any other, so that it is rejected. No browser speaks HTTP/2
 * without TLS.
 */
export function guardTakeovers({ upgrade, http2 }: Takeovers): Takeovers {
  return {
    http2,
    upgrade: (request) => {
      const headers = new Map<string, string>();
      for (let at = 0; at + 1 < request.rawHeaders.length; at += 2)
        headers.set((request.rawHeaders[at] ?? "").toLowerCase(), request.rawHeaders[at + 1] ?? "");
      return isFromBrowser({ headers }) ? undefined : upgrade(request);
    },
  };
}

/** A web page's request has an `Origin` or `Sec-Fetch-Site` header, or a foreign host name (DNS rebinding). */
function isFromBrowser({ headers }: Pick<HttpRequest, "headers">): boolean {
  const host = (headers.get("host") ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  return headers.has("origin") || headers.get("sec-fetch-site") !== undefined || !(host === "" || isLoopback(host));
}

const REFUSED: HttpResponse = {
  status: 403,
  headers: { "Content-Type": "application/json" },
  body: '{"message":"requests from browsers and for hosts other than loopback are not allowed"}\n',
};
