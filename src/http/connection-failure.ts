import { type ConnectionFailure, errnoOf } from "../core/index.ts";
import { HttpFailure } from "./message.ts";

const BY_CODE: ReadonlyMap<string, ConnectionFailure> = new Map([
  ["ECONNREFUSED", "refused"],
  ["EHOSTUNREACH", "refused"],
  ["ENETUNREACH", "refused"],
  ["EADDRNOTAVAIL", "refused"],
  ["EACCES", "refused"],
  ["ENOTFOUND", "unresolved"],
  ["EAI_AGAIN", "unresolved"],
  ["EAI_FAIL", "unresolved"],
  ["EAI_NODATA", "unresolved"],
  ["ETIMEDOUT", "timeout"],
  ["ECONNRESET", "broken"],
  ["ECONNABORTED", "broken"],
  ["EPIPE", "broken"],
  ["ERR_STREAM_PREMATURE_CLOSE", "broken"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "not-tls"],
  ["ERR_SSL_PACKET_LENGTH_TOO_LONG", "not-tls"],
  ["ERR_SSL_RECORD_LAYER_FAILURE", "not-tls"],
  ["EPROTO", "not-tls"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "untrusted"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "untrusted"],
  ["SELF_SIGNED_CERT_IN_CHAIN", "untrusted"],
  ["UNABLE_TO_GET_ISSUER_CERT", "untrusted"],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "untrusted"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "untrusted"],
  ["HOSTNAME_MISMATCH", "untrusted"],
  ["INVALID_CA", "untrusted"],
  ["INVALID_PURPOSE", "untrusted"],
]);

function kindOfCode(code: string): ConnectionFailure | undefined {
  const known = BY_CODE.get(code);
  if (known !== undefined) return known;
  if (code.startsWith("HPE_")) return "malformed";
  if (code.startsWith("CERT_") || code.startsWith("CRL_")) return "untrusted";
  if (code.startsWith("ERR_SSL_")) return "handshake";
  return undefined;
}

/** Several addresses of one name failed: the first known failure counts. */
function codesOf(error: unknown): string[] {
  const own = errnoOf(error);
  const inner = error instanceof AggregateError ? error.errors.flatMap((each) => codesOf(each)) : [];
  return own === undefined ? inner : [own, ...inner];
}

/** Classifies Node's connection errors. */
export function toHttpFailure(error: unknown): HttpFailure {
  if (error instanceof HttpFailure) return error;
  const message = error instanceof Error && error.message !== "" ? error.message : codesOf(error).join(", ");
  for (const code of codesOf(error)) {
    const kind = kindOfCode(code);
    if (kind !== undefined) return new HttpFailure(kind, message, error);
  }
  return new HttpFailure("broken", message === "" ? "the connection failed" : message, error);
}
