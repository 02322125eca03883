export interface FetchOptions {
  /** By name, in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks for a URL and follows redirects. A user's name and password in the URL are sent as Basic credentials, as Go's client
 * does, and to no other origin; `fetch` itself refuses such a URL. Throws what `fetch` throws.
 */
export async function fetchUrl(text: string, { headers = {}, signal }: FetchOptions = {}): Promise<Response> {
  const url = new URL(text);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  const basic = Buffer.from(`${decoded(username)}:${decoded(password)}`).toString("base64");
  const credentials = username === "" && password === "" ? {} : { authorization: `Basic ${basic}` };
  return await fetch(url, {
    headers: { ...credentials, ...headers },
    redirect: "follow",
    ...(signal === undefined ? {} : { signal }),
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
