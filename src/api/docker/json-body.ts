import { type JsonNode, messageOf, parseJson } from "../../core/index.ts";
import type { HttpRequest } from "../http/index.ts";
import { collect } from "../../io/index.ts";
import { apiError } from "./errors.ts";

const MAX_BODY = 4_194_304;

/**
 * Reads the JSON body of a request; undefined if it has no body. Throws 400 for another content type. Throws `malformed`
 * for invalid JSON, and for an empty chunked body.
 */
export async function readJson(
  request: HttpRequest,
  { malformed = 400 }: { readonly malformed?: 400 | 500 } = {},
): Promise<JsonNode | undefined> {
  if (request.contentLength === 0 || (request.contentLength === undefined && !isChunked(request))) return undefined;
  const type = request.headers.get("content-type") ?? "";
  if ((type.split(";", 1)[0] ?? "").trim().toLowerCase() !== "application/json")
    throw apiError(400, `unsupported Content-Type header (${type.slice(0, 100)}): must be 'application/json'`);
  const bytes = await collect(request.body, MAX_BODY, { what: "the request" });
  const text = bytes.toString("utf8");
  if (text.trim() === "") throw apiError(malformed, "invalid JSON: got EOF while reading request body");
  const error = (state: string, cause?: unknown): Error =>
    apiError(malformed, `invalid JSON: ${cause === undefined ? state : messageOf(cause)}`, cause);
  return parseJson(bytes, "the request", { error });
}

function isChunked({ headers }: HttpRequest): boolean {
  return headers.has("transfer-encoding");
}
