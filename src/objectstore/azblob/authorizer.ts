import { createHmac } from "node:crypto";
import { VarveError } from "../../core/index.ts";

/** A request before it is authorized. Names of headers are in lower case. */
export interface Unauthorized {
  readonly method: string;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
}

/** Authorizes requests to a store. */
export interface Authorizer {
  /** `url` and `headers` of the request that is sent. */
  authorize(request: Unauthorized, signal: AbortSignal | undefined): Promise<Pick<Unauthorized, "url" | "headers">>;
  /** The store has refused a request. Returns true if the next one is authorized in another way. */
  refused(): boolean;
}

/** The headers that are part of a signature, in its order. */
const SIGNED_HEADERS = [
  "content-encoding",
  "content-language",
  "content-length",
  "content-md5",
  "content-type",
  "date",
  "if-modified-since",
  "if-match",
  "if-none-match",
  "if-unmodified-since",
  "range",
];

/** Authorizes by the key of an account. https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key */
export function sharedKey(account: string, key: Uint8Array): Authorizer {
  return {
    authorize: ({ method, url, headers }) => {
      const signature = createHmac("sha256", key)
        .update(textToSign(account, { method, url, headers }))
        .digest("base64");
      return Promise.resolve({ url, headers: { ...headers, authorization: `SharedKey ${account}:${signature}` } });
    },
    refused: () => false,
  };
}

function textToSign(account: string, { method, url, headers }: Unauthorized): string {
  const standard = SIGNED_HEADERS.map((name) => {
    const value = headers[name] ?? "";
    return name === "content-length" && value === "0" ? "" : value;
  });
  const own = Object.keys(headers)
    .filter((name) => name.startsWith("x-ms-"))
    .toSorted()
    .map((name) => `${name}:${(headers[name] ?? "").trim()}`);
  const parameters = [...url.searchParams].map(([name, value]) => [name.toLowerCase(), value] as const);
  const query = parameters.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => `${name}:${value}`);
  return [method, ...standard, ...own, [`/${account}${url.pathname}`, ...query].join("\n")].join("\n");
}

/** Authorizes by a shared access signature: the query of a URL. */
export function sharedAccess(signature: string): Authorizer {
  const parameters = new URLSearchParams(signature.replace(/^\?/, ""));
  if (!parameters.has("sig"))
    throw new VarveError("invalid-argument", "Cannot use Azure Blob Storage: the shared access signature has no sig");
  return {
    authorize: ({ url, headers }) => {
      const all = new URL(url);
      for (const [name, value] of parameters) all.searchParams.append(name, value);
      return Promise.resolve({ url: all, headers });
    },
    refused: () => false,
  };
}

/** Gives tokens of Microsoft Entra. */
export interface TokenSource {
  token(signal: AbortSignal | undefined): Promise<string>;
  /** The token is not accepted: another is got. */
  forget(): void;
}

/** Authorizes by tokens. */
export function bearer(tokens: TokenSource): Authorizer {
  return {
    authorize: async ({ url, headers }, signal) => ({
      url,
      headers: { ...headers, authorization: `Bearer ${await tokens.token(signal)}` },
    }),
    refused: () => {
      tokens.forget();
      return true;
    },
  };
}
