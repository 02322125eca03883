import { parseJson } from "../../core/index.ts";
import { apiError } from "./errors.ts";

/** Base64 and base64url, padded or not. */
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/**
 * Reads `X-Varve-Secrets`: a JSON object with a value in base64 for each id. `RUN --mount=type=secret` can use the secrets.
 *
 * @throws {VarveError} With status 400 for a malformed header. Its text is not part of the message.
 */
export function buildSecrets(header: string | undefined): ReadonlyMap<string, Uint8Array> {
  if (header === undefined || header === "") return new Map();
  const error = (): Error =>
    apiError(400, "Cannot read X-Varve-Secrets: it must be a JSON object with a value in base64 for each id");
  const values = parseJson(header, "X-Varve-Secrets", { error }).stringMap() ?? new Map<string, string>();
  return new Map(
    [...values].map(([id, value]) => {
      if (id === "" || !BASE64.test(value)) throw error();
      return [id, Buffer.from(value, "base64")] as const;
    }),
  );
}
