import { VarveError } from "../core/index.ts";
import { HttpFailure, type TransportRequest, type TransportResponse, headerOf } from "./message.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 5;

/**
 * Resolves a `Location` relative to `from`. Throws `remote` for a scheme other than HTTP(S), for user names in the URL, and for a step from
 * TLS to plain HTTP. The URL may be signed, so that messages name its host only.
 */
export function locationOf(response: TransportResponse, from: URL, doing: string): URL {
  const text = headerOf(response.headers, "location");
  const fail = (why: string): never => {
    throw new VarveError("remote", `Cannot ${doing}: ${from.host} ${why}`, { details: { host: from.host } });
  };
  if (text === undefined || !URL.canParse(text, from)) return fail("names no usable location");
  const url = new URL(text, from);
  if (url.protocol !== "https:" && url.protocol !== "http:") return fail("redirects to a location that is not HTTP");
  if (url.username !== "" || url.password !== "") return fail("redirects to a location with credentials in it");
  if (from.protocol === "https:" && url.protocol === "http:") {
    throw new VarveError("remote", `Cannot ${doing}: ${from.host} redirects from TLS to plain HTTP at ${url.host}`, {
      details: { host: from.host },
      hint: "Configure the registry behind the TLS proxy with its public address (X-Forwarded-Proto or relative URLs).",
    });
  }
  url.hash = "";
  return url;
}

/** A response and the URL it came from. */
export interface Arrived {
  readonly response: TransportResponse;
  readonly url: URL;
}

/** Sends a request and, for reads, follows up to five redirects. `send` gets the URL of each step. */
export async function followRedirects(
  request: TransportRequest,
  doing: string,
  send: (request: TransportRequest) => Promise<TransportResponse>,
): Promise<Arrived> {
  let { url } = request;
  const visited = new Set<string>();
  for (;;) {
    const response = await send({ ...request, url });
    const mayFollow = request.method === "GET" || request.method === "HEAD";
    if (!mayFollow || !REDIRECTS.has(response.status)) return { response, url };
    await response.discard();
    visited.add(url.href);
    if (visited.size > MAX_REDIRECTS)
      throw new HttpFailure("redirects", `it redirects more than ${MAX_REDIRECTS} times, last to ${url.host}`);
    url = locationOf(response, url, doing);
    if (visited.has(url.href)) throw new HttpFailure("redirects", `it redirects in a loop, back to ${url.host}`);
  }
}
