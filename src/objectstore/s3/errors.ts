import type { VarveError } from "../../core/index.ts";
import type { TransportResponse } from "../../http/index.ts";
import type { Refusal } from "../http-client.ts";
import { type StoreMessage, readMessage, storeError } from "../store-error.ts";

/** Codes after which a request is prepared again: with the server's time, or with new keys. */
const MENDABLE: ReadonlySet<string> = new Set(["RequestTimeTooSkewed", "ExpiredToken", "RequestExpired"]);

const HINTS: ReadonlyMap<string, string> = new Map([
  [
    "AccessDenied",
    "The keys need GetObject, PutObject and ListBucket: without the last, missing objects look forbidden.",
  ],
  ["SignatureDoesNotMatch", "Check the secret access key, and proxies that change headers."],
  ["InvalidAccessKeyId", "Check the access key ID, and the session token that temporary keys need."],
  ["PermanentRedirect", "Set region to the region of the bucket."],
  ["AuthorizationHeaderMalformed", "Set region to the region of the bucket."],
]);

/** Returns the error for a response without success. */
export async function refusalOf(response: TransportResponse, doing: string, attempt: number): Promise<Refusal> {
  const message = await readMessage(response);
  return { error: s3Error(response.status, message, doing, attempt), mend: MENDABLE.has(message.code) };
}

/** Returns the error for a status and a message of S3. */
export function s3Error(status: number, message: StoreMessage, doing: string, tries: number): VarveError {
  const code = message.code === "NoSuchBucket" ? "remote" : undefined;
  return storeError(status, message, { doing, tries, code, hint: HINTS.get(message.code) });
}
