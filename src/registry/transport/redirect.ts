import { VarveError } from "../../core/index.ts";
import { HttpFailure, type TransportRequest, type TransportResponse, headerOf } from "./http.ts";

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MAX_REDIRECTS = 5;

/**
 * Where a `Location` leads, seen from `from`. Throws `remote` for another scheme than HTTP, for user names in the URL, and
 * for a step from TLS to plain HTTP. The URL may be signed: only its host is ever named.
 */
export function locationOf(response: TransportResponse, from: URL, doing: string): URL {
  const text = headerOf(response.headers, "location");
  const refuse = (why: string): never => {
    throw new VarveError("remote", `Cannot ${doing}: ${from.host} ${why}`, { details: { host: from.host } });
  };
  if (text === undefined || !URL.canParse(text, from)) return refuse("names no usable location");
  const url = new URL(text, from);
  if (url.protocol !== "https:" && url.protocol !== "http:") return refuse("leads to a location that is not HTTP");
  if (url.username !== "" || url.password !== "") return refuse("leads to a location with credentials in it");
  if (from.protocol === "https:" && url.protocol === "http:") {
    throw new VarveError("remote", `Cannot ${doing}: ${from.host} leads from TLS to plain HTTP at ${url.host}`, {
      details: { host: from.host },
      hint: "A registry behind a TLS proxy must be told its outer address (X-Forwarded-Proto, or relative URLs).",
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

/** Sends a request and, for reads, goes where the answers lead, five steps at most. `send` sees each step's URL. */
export async function followRedirects(
  request: TransportRequest,
  doing: string,
  send: (request: TransportRequest) => Promise<TransportResponse>,
): Promise<Arrived> {
  let { url } = request;
  const seen = new Set<string>();
  for (;;) {
    const response = await send({ ...request, url });
    const mayFollow = request.method === "GET" || request.method === "HEAD";
    if (!mayFollow || !REDIRECTS.has(response.status)) return { response, url };
    await response.discard();
    seen.add(url.href);
    if (seen.size > MAX_REDIRECTS)
      throw new HttpFailure("redirects", `it redirects more than ${MAX_REDIRECTS} times, last to ${url.host}`);
    url = locationOf(response, url, doing);
    if (seen.has(url.href)) throw new HttpFailure("redirects", `it redirects in a loop, back to ${url.host}`);
  }
}
