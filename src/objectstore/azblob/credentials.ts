import { VarveError, withhold } from "../../core/index.ts";
import type { Environment } from "../http-client.ts";
import type { ContainerPlace } from "./address.ts";
import { type Authorizer, bearer, sharedAccess, sharedKey } from "./authorizer.ts";
import { EntraTokens } from "./identity/tokens.ts";

/** Options that say who asks. */
export interface AzureCredentialOptions extends ContainerPlace {
  /** The key of the account, in base64. */
  readonly key?: string | undefined;
  /** A shared access signature: the query of a URL. */
  readonly sharedAccessSignature?: string | undefined;
  /** Default: the environment of this process. */
  readonly env?: Environment | undefined;
}

/**
 * Returns what authorizes requests: the key or the signature that was given, else those that the environment has for this account, else
 * the identity of the process. `stack` gets what has to be disposed of.
 *
 * @throws {VarveError} `invalid-argument` for a key or a signature that is none.
 */
export function azureAuthorizer(
  { key = "", sharedAccessSignature: given = "", env = process.env }: AzureCredentialOptions,
  account: string,
  stack: DisposableStack,
): Authorizer {
  const isOfAccount = env["AZURE_STORAGE_ACCOUNT"] === account && key === "" && given === "";
  const accountKey = isOfAccount ? (env["AZURE_STORAGE_KEY"] ?? "") : key;
  const signature = isOfAccount ? (env["AZURE_STORAGE_SAS_TOKEN"] ?? "") : given;
  if (accountKey !== "") {
    stack.use(withhold(accountKey));
    return sharedKey(account, keyBytes(accountKey));
  }
  if (signature !== "") {
    stack.use(withhold(new URLSearchParams(signature.replace(/^\?/, "")).get("sig") ?? ""));
    return sharedAccess(signature);
  }
  return bearer(stack.use(new EntraTokens(env)));
}

function keyBytes(key: string): Buffer {
  const bytes = Buffer.from(key, "base64");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(key) || bytes.length === 0)
    throw new VarveError("invalid-argument", "Cannot use Azure Blob Storage: the key of the account is not base64");
  return bytes;
}
