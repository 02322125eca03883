import { type ErrorCode, Limits, VarveError } from "../core/index.ts";
import { type TransportResponse, quoted } from "../http/index.ts";
import { collect } from "../io/index.ts";
import { textOf } from "./xml.ts";

/** What a store says in the body of an error. */
export interface StoreMessage {
  /** `NoSuchKey` and the like; empty if there is none. */
  readonly code: string;
  readonly text: string;
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return "unauthorized";
  return status === 404 ? "not-found" : "remote";
}

/** Reads the XML message of an error. A response to HEAD has none. */
export async function readMessage(response: TransportResponse): Promise<StoreMessage> {
  return messageIn(await readErrorBody(response));
}

/** Reads the body of an error, as far as it can be read. */
export async function readErrorBody(response: TransportResponse): Promise<string> {
  try {
    return (await collect(response.body, Limits.errorBody, { what: "an error" })).toString("utf8");
  } catch {
    return "";
  }
}

/** Returns the message of an error in XML. Some operations report errors with status 200. */
export function messageIn(xml: string): StoreMessage {
  return { code: quoted(textOf(xml, "Code") ?? ""), text: quoted(textOf(xml, "Message") ?? "") };
}

/** What happened, and what to do about it. */
export interface StoreFailure {
  readonly doing: string;
  readonly tries: number;
  /** Default: that of the status. */
  readonly code?: ErrorCode | undefined;
  readonly hint?: string | undefined;
}

/** Returns the error for a status and a message of a store. */
export function storeError(
  status: number,
  message: StoreMessage,
  { doing, tries, hint, code = codeOf(status) }: StoreFailure,
): VarveError {
  const said = [message.code, message.text].filter((part) => part !== "").join(": ");
  const state = `the store answered ${status}${said === "" ? "" : ` (${said})`}`;
  const registryCode = message.code === "" ? {} : { registryCode: message.code };
  return new VarveError(code, `Cannot ${doing}: ${state}`, { details: { status, tries, ...registryCode }, hint });
}
