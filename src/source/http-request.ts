import { VarveError, toVarveError } from "../core/index.ts";
import { type FetchOptions, fetchUrl } from "./fetch-url.ts";

/** Headers of a request by name, in lower case. */
export type HttpHeaders = Readonly<Record<string, string>>;

/**
 * Asks for a URL, following redirects; credentials stay with the host they were given for. Throws `remote` unless the answer
 * is a body or, where an ETag was sent, 304.
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
  if (response.ok && response.body !== null) return response;
  await response.body?.cancel();
  const { status } = response;
  const code = status === 404 || status === 410 ? "not-found" : status === 401 ? "unauthorized" : "remote";
  throw new VarveError(code, `Cannot download ${url}: the server answered ${status}`, { details: { status } });
}

async function send(url: string, options: FetchOptions): Promise<Response> {
  try {
    return await fetchUrl(url, options);
  } catch (error) {
    throw downloadError(error, url);
  }
}

/** The failure of a download: fetch hides what went wrong in the cause. */
export function downloadError(error: unknown, url: string): VarveError {
  const cause = error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
  return toVarveError(cause, `download ${url}`, "remote");
}

/** A header's date, in the form HTTP gives it; undefined if it is none. */
export function httpDate(text: string | null): string | undefined {
  if (text === null || Number.isNaN(Date.parse(text))) return undefined;
  return new Date(text).toUTCString();
}
