import type { VarveError } from "../../core/index.ts";
import { type TransportResponse, headerOf, quoted } from "../../http/index.ts";
import { type StoreMessage, readMessage, storeError } from "../store-error.ts";

const ROLE = "The identity needs the role Storage Blob Data Contributor for the container.";
const NAME =
  "Names of containers have 3 to 63 characters: lower-case letters, digits, and single hyphens between them.";
const HINTS: ReadonlyMap<string, string> = new Map([
  ["AuthenticationFailed", "Check the key of the account (secret_access_key) and its name (account_name)."],
  ["AuthorizationPermissionMismatch", ROLE],
  ["AuthorizationFailure", `Check the key or the signature, and the rules of the account's firewall. ${ROLE}`],
  ["InsufficientAccountPermissions", ROLE],
  ["OutOfRangeInput", NAME],
  ["InvalidResourceName", NAME],
]);

/** Reads what a store says about an error: in its body, or, without one, in its headers. */
export async function readAzureMessage(response: TransportResponse): Promise<StoreMessage> {
  const message = await readMessage(response);
  const code = headerOf(response.headers, "x-ms-error-code");
  return message.code === "" && code !== undefined ? { ...message, code: quoted(code) } : message;
}

/** Returns the error for a status and a message of Azure. */
export function azureError(status: number, message: StoreMessage, doing: string, tries: number): VarveError {
  const code = message.code === "ContainerNotFound" ? "remote" : undefined;
  return storeError(status, message, { doing, tries, code, hint: HINTS.get(message.code) });
}
