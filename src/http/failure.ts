import { type ConnectionFailure, VarveError } from "../core/index.ts";
import type { HttpFailure } from "./message.ts";

/** Characters of a quoted text. */
const QUOTE = 300;
// oxlint-disable-next-line no-control-regex -- what is quoted must not move a terminal's cursor
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g;

/** Returns a server's text in the form in which messages quote it: one line, without control characters, of bounded length. */
export function quoted(text: string): string {
  const line = text.replace(CONTROL, " ").trim();
  return line.length > QUOTE ? `${line.slice(0, QUOTE)}…` : line;
}

const HINTS: Readonly<Record<ConnectionFailure, ((host: string) => string) | undefined>> = {
  refused: (host) => `Check that a server listens at ${host}.`,
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

const STATES: Readonly<Record<ConnectionFailure, string>> = {
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
  const hint = HINTS[failure.kind]?.(host);
  return new VarveError(
    "remote",
    `Cannot ${doing}: ${host} ${STATES[failure.kind]} (${quoted(failure.message.split(";", 1)[0] ?? "")})`,
    { details: { host, failure: failure.kind, tries: attempt }, cause: failure, hint },
  );
}

/** Returns the HTTP status in the details of an error. */
export function statusOf(error: unknown): number | undefined {
  if (!(error instanceof VarveError)) return undefined;
  const { status } = error.details;
  return typeof status === "number" ? status : undefined;
}
