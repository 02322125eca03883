import { type ConnectionFailure, type ErrorCode, Limits, VarveError, parseJson } from "../../core/index.ts";
import { STATUS_CODES } from "./status-text.ts";
import { collect } from "../../io/index.ts";
import { type HttpFailure, type TransportResponse, headerOf } from "./http.ts";

/** Characters of a quoted text. */
const QUOTE = 300;
const MAX_ERRORS = 100;
// oxlint-disable-next-line no-control-regex -- what is quoted must not move a terminal's cursor
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

function quote(text: string): string {
  const line = text.replace(CONTROL, " ").trim();
  return line.length > QUOTE ? `${line.slice(0, QUOTE)}…` : line;
}

interface Quoted {
  readonly code?: string | undefined;
  readonly text?: string | undefined;
}

async function quoteBody(response: TransportResponse): Promise<Quoted> {
  try {
    const bytes = await collect(response.body, Limits.errorBody, { what: "an error" });
    const [first] = parseJson(bytes, "an error").requiredObject().objects("errors", MAX_ERRORS);
    if (first === undefined) return {};
    const code = quote(first.string("code") ?? "");
    const message = quote(first.string("message") ?? "");
    return { code, text: [code, message].filter((part) => part !== "").join(": ") };
  } catch {
    return {};
  }
}

const HINTS: ReadonlyMap<number, (host: string) => string> = new Map<number, (host: string) => string>([
  [401, (host) => `Log in with "docker login ${host}", or check that the repository exists.`],
  [403, (host) => `The account used for ${host} may not do this: check its rights, or log in with another.`],
  [407, () => "The proxy named in HTTPS_PROXY or HTTP_PROXY asks for credentials."],
  [429, (host) => `${host} limits how often it is asked: wait, log in, or configure a mirror.`],
]);

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return "unauthorized";
  return status === 404 ? "not-found" : "remote";
}

/**
 * Makes the error for a response without success. Reads the body and quotes the registry's own code and message. `details` have `status`,
 * `host`, the number of `tries` and, if the registry gave one, its `registryCode`.
 */
export async function responseError(
  response: TransportResponse,
  doing: string,
  { host, attempt }: { readonly host: string; readonly attempt: number },
): Promise<VarveError> {
  const { status } = response;
  const { code, text } = await quoteBody(response);
  const said = text === undefined || text === "" ? "" : ` (${text})`;
  const after = headerOf(response.headers, "retry-after");
  const hint = HINTS.get(status)?.(host);
  return new VarveError(
    codeOf(status),
    `Cannot ${doing}: ${host} answered ${status} ${STATUS_CODES.get(status) ?? ""}`.trimEnd() + said,
    {
      details: {
        status,
        host,
        tries: attempt,
        ...(code === undefined || code === "" ? {} : { registryCode: code }),
        ...(after === undefined ? {} : { retryAfter: quote(after) }),
      },
      hint,
    },
  );
}

const FAILURE_HINTS: Readonly<Record<ConnectionFailure, ((host: string) => string) | undefined>> = {
  refused: (host) => `Check that a registry listens at ${host}.`,
  unresolved: (host) => `Check the name ${host} and this machine's DNS and proxy settings.`,
  timeout: (host) => `Check the network to ${host}, and HTTPS_PROXY if there is a proxy.`,
  broken: undefined,
  untrusted: (host) =>
    `Put the certificate authority into /etc/docker/certs.d/${host}/ca.crt or name it as "ca" of ${host} in the configuration.`,
  "not-tls": (host) => `If ${host} speaks plain HTTP, set "http" or "insecure" for it in the configuration.`,
  handshake: (host) =>
    `If ${host} wants a client certificate, name it as "cert" and "key" of ${host} in the configuration.`,
  redirects: (host) => `Check the public address that ${host} is configured with, and the proxy in front of it.`,
  malformed: undefined,
};

const FAILURE_STATES: Readonly<Record<ConnectionFailure, string>> = {
  refused: "does not accept connections",
  unresolved: "has no address",
  timeout: "did not answer in time",
  broken: "broke the connection",
  untrusted: "has a certificate that is not trusted",
  "not-tls": "does not speak TLS",
  handshake: "refuses the TLS connection",
  redirects: "redirects too often",
  malformed: "sent something that is not HTTP",
};

/** Makes the error for a request without response. `details` have `host`, the kind of `failure` and the number of `tries`. */
export function failureError(
  failure: HttpFailure,
  doing: string,
  { host, attempt }: { readonly host: string; readonly attempt: number },
): VarveError {
  const hint = FAILURE_HINTS[failure.kind]?.(host);
  return new VarveError(
    "remote",
    `Cannot ${doing}: ${host} ${FAILURE_STATES[failure.kind]} (${quote(failure.message.split(";", 1)[0] ?? "")})`,
    {
      details: { host, failure: failure.kind, tries: attempt },
      cause: failure,
      hint,
    },
  );
}

/** Returns the HTTP status of an error of this module. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof VarveError)) return undefined;
  const { status } = error.details;
  return typeof status === "number" ? status : undefined;
}
