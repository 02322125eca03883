import { VarveError, isVarveError, toVarveError } from "../core/index.ts";
import { type FetchOptions, fetchUrl } from "./fetch-url.ts";

/** Headers of a request. Names are in lower case. */
export type HttpHeaders = Readonly<Record<string, string>>;

/**
 * Requests a URL and follows redirects. Credentials are sent only to the host they were given for. Returns a successful response
 * with a body or, if an ETag was sent, a response with status 304.
 * @throws {VarveError} `not-found` for 404 and 410, `unauthorized` for 401, `remote` otherwise.
 */
export async function requestUrl(
  url: string,
  headers: HttpHeaders,
  how: Omit<FetchOptions, "headers">,
): Promise<Response> {
  const response = await send(url, { ...how, headers });
  if (response.status === 304 && Object.hasOwn(headers, "if-none-match")) {
    await response.body?.cancel();
    return response;
  }
  if (response.ok && (response.body !== null || how.method === "HEAD")) return response;
  await response.body?.cancel();
  const { status } = response;
  const code = status === 404 || status === 410 ? "not-found" : status === 401 ? "unauthorized" : "remote";
  throw new VarveError(code, `Cannot download ${url}: invalid response status ${status}`, { details: { status } });
}

/**
 * Asks with HEAD whether a resource still has an entity tag, because some servers answer a conditional GET with the whole body. An
 * error counts as changed: the GET that follows reports it.
 */
export async function isUnchanged(
  url: string,
  headers: HttpHeaders,
  etag: string,
  how: Omit<FetchOptions, "headers" | "method">,
): Promise<boolean> {
  try {
    const response = await requestUrl(url, headers, { ...how, method: "HEAD" });
    await response.body?.cancel();
    const own = response.headers.get("etag");
    return strong(own) === strong(etag) || (own === null && response.status === 304);
  } catch (error) {
    if (isVarveError(error, "cancelled")) throw error;
    return false;
  }
}

/** Returns an entity tag without the mark of a weak one, as BuildKit compares them. */
function strong(etag: string | null): string | undefined {
  return etag?.replace(/^W\//, "");
}

async function send(url: string, options: FetchOptions): Promise<Response> {
  try {
    return await fetchUrl(url, options);
  } catch (error) {
    throw downloadError(error, url);
  }
}

/** Converts an error of a download. The reason of an error of `fetch` is in its cause. */
export function downloadError(error: unknown, url: string): VarveError {
  const cause = error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
  return toVarveError(cause, `download ${url}`, "remote");
}

/** Returns a header's date in HTTP's format, or undefined if it is not a date. */
export function httpDate(text: string | null): string | undefined {
  if (text === null || Number.isNaN(Date.parse(text))) return undefined;
  return new Date(text).toUTCString();
}
