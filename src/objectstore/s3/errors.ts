import { type ErrorCode, Limits, VarveError } from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import { type TransportResponse, quoted } from "../../http/index.ts";
import type { Refusal } from "../http-client.ts";
import { textOf } from "../xml.ts";

/** What a store says in the body of an error. */
export interface StoreMessage {
  /** `NoSuchKey` and the like; empty if there is none. */
  readonly code: string;
  readonly text: string;
}

/** Codes after which a request is prepared again: with the server's time, or with new keys. */
const MENDABLE: ReadonlySet<string> = new Set(["RequestTimeTooSkewed", "ExpiredToken", "RequestExpired"]);

function codeOf(status: number, { code }: StoreMessage): ErrorCode {
  if (code === "NoSuchBucket") return "remote";
  if (status === 401 || status === 403) return "unauthorized";
  return status === 404 ? "not-found" : "remote";
}

/** Reads the message of an error. A response to HEAD has none. */
export async function readMessage(response: TransportResponse): Promise<StoreMessage> {
  try {
    const xml = (await collect(response.body, Limits.errorBody, { what: "an error" })).toString("utf8");
    return messageIn(xml);
  } catch {
    return { code: "", text: "" };
  }
}

/** Returns the message of an error in a body. Some operations report errors with status 200. */
export function messageIn(xml: string): StoreMessage {
  return { code: quoted(textOf(xml, "Code") ?? ""), text: quoted(textOf(xml, "Message") ?? "") };
}

/** Returns the error for a response without success. */
export async function refusalOf(response: TransportResponse, doing: string, attempt: number): Promise<Refusal> {
  const message = await readMessage(response);
  return { error: storeError(response.status, message, doing, attempt), mend: MENDABLE.has(message.code) };
}

/** Returns the error for a status and a message of a store. */
export function storeError(status: number, message: StoreMessage, doing: string, tries: number): VarveError {
  const { code, text } = message;
  const said = [code, text].filter((part) => part !== "").join(": ");
  const state = `the store answered ${status}${said === "" ? "" : ` (${said})`}`;
  const registryCode = code === "" ? {} : { registryCode: code };
  return new VarveError(codeOf(status, message), `Cannot ${doing}: ${state}`, {
    details: { status, tries, ...registryCode },
    hint: HINTS.get(code),
  });
}

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
