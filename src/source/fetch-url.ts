import { VarveError } from "../core/index.ts";
import { FIRST_NOTICE, type OnWait, tellQuiet } from "../io/index.ts";

export interface FetchOptions {
  /** By name, in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds the server may be quiet while it is waited for; `IDLE` unless said. */
  readonly idle?: number | undefined;
  /** Told of silence, after `notice` milliseconds for the first time. */
  readonly onWait?: OnWait | undefined;
  readonly notice?: number | undefined;
}

/** Milliseconds: BuildKit waits for ever. */
const IDLE = 60_000;

/**
 * Asks for a URL and follows redirects. A user's name and password in the URL are sent as Basic credentials, as Go's client
 * does, and to no other origin; `fetch` itself refuses such a URL. Throws what `fetch` throws, and `remote`, as the body does, when
 * the server is quiet for too long.
 */
export async function fetchUrl(
  text: string,
  { headers = {}, signal, idle = IDLE, onWait, notice = FIRST_NOTICE }: FetchOptions = {},
): Promise<Response> {
  const url = new URL(text);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  const basic = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64");
  const credentials = username === "" && password === "" ? {} : { authorization: `Basic ${basic}` };
  const quiet = new AbortController();
  const { host } = url;
  const told = onWait && ((ms: number) => onWait({ state: "quiet", host, ms, attempt: 1, attempts: 1 }));
  const waiting = async <T>(work: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => quiet.abort(quietServer(host, idle)), idle);
    try {
      return await tellQuiet(work, told, notice);
    } finally {
      clearTimeout(timer);
    }
  };
  const signals = signal === undefined ? [quiet.signal] : [signal, quiet.signal];
  const answer = fetch(url, {
    headers: { ...credentials, ...headers },
    redirect: "follow",
    signal: AbortSignal.any(signals),
  });
  return watched(await waiting(answer), waiting);
}

/** The same answer; each read of its body is waited for by `waiting`. Time in which nobody reads does not count. */
function watched(response: Response, waiting: <T>(work: Promise<T>) => Promise<T>): Response {
  if (response.body === null) return response;
  const reader = response.body.getReader();
  const body = new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await waiting(reader.read());
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
  const { status, statusText, headers } = response;
  return new Response(body, { status, statusText, headers });
}

function quietServer(host: string, idle: number): VarveError {
  return new VarveError("remote", `Cannot download from ${host}: the server sent nothing for ${idle / 1000} s`);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
