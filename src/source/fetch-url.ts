import { VarveError } from "../core/index.ts";
import { FIRST_NOTICE, type OnWait, quietReporter, tellQuiet } from "../io/index.ts";

export interface FetchOptions {
  /** Default: GET. */
  readonly method?: "GET" | "HEAD" | undefined;
  /** Names are in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds without data from the server after which the request fails. Defaults to 60,000. */
  readonly idle?: number | undefined;
  /** Called when the server sends nothing, for the first time after `notice` milliseconds. */
  readonly onWait?: OnWait | undefined;
  readonly notice?: number | undefined;
}

/** Milliseconds. BuildKit has no time-out. */
const IDLE = 60_000;

/** Names BuildKit too, because servers know its clients by this. */
const USER_AGENT = "varve buildkit/v0.31";

/**
 * Requests a URL and follows redirects. A user name and password in the URL are sent as Basic credentials to that origin only, as
 * Go's client does; `fetch` itself rejects such a URL. Returns the response for any status.
 *
 * @throws {VarveError} `remote` if the server sends nothing for `idle` milliseconds; reading the body throws it too. Other
 * errors are those of `fetch`.
 * @example
 * const response = await fetchUrl("https://user:password@example.org/app.tar.gz", { signal });
 */
export async function fetchUrl(
  text: string,
  { method = "GET", headers = {}, signal, idle = IDLE, onWait, notice = FIRST_NOTICE }: FetchOptions = {},
): Promise<Response> {
  const url = new URL(text);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  const basic = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64");
  const credentials = username === "" && password === "" ? {} : { authorization: `Basic ${basic}` };
  const timeout = new AbortController();
  const { host } = url;
  const onQuiet = quietReporter(onWait, host);
  const withTimeout = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => timeout.abort(timeoutError(host, idle)), idle);
    try {
      return await tellQuiet(work, onQuiet, notice);
    } finally {
      clearTimeout(timer);
    }
  };
  const signals = signal === undefined ? [timeout.signal] : [signal, timeout.signal];
  const response = fetch(url, {
    method,
    headers: { ...(hasUserAgent(headers) ? {} : { "user-agent": USER_AGENT }), ...credentials, ...headers },
    redirect: "follow",
    signal: AbortSignal.any(signals),
  });
  return withTimedBody(await withTimeout(response), withTimeout);
}

/** Returns the same response, but each read of its body has a time-out. Time in which nothing reads does not count. */
function withTimedBody(response: Response, withTimeout: <T>(work: Promise<T>) => Promise<T>): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await withTimeout(reader.read());
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}

function timeoutError(host: string, idle: number): VarveError {
  return new VarveError("remote", `Cannot download from ${host}: the server sent nothing for ${idle / 1000} s`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function hasUserAgent(headers: NonNullable<FetchOptions["headers"]>): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === "user-agent");
}
