import { bodyOf } from "../../../http/index.ts";
import { type EntraToken, type IdentityContext, RESOURCE, askToken, noToken } from "./token.ts";

/** Gets a token for an application, which proves itself by `proof`. https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow */
export async function applicationToken(
  url: URL,
  client: string,
  proof: Readonly<Record<string, string>>,
  context: IdentityContext,
): Promise<EntraToken> {
  const scope = `${RESOURCE}/.default`;
  const form = new URLSearchParams({ grant_type: "client_credentials", client_id: client, scope, ...proof });
  const body = bodyOf(Buffer.from(form.toString()));
  const headers = {
    accept: "application/json",
    "content-type": "application/x-www-form-urlencoded",
    "content-length": String(body.length),
  };
  const token = await askToken({ method: "POST", url, headers, body }, context);
  if (token === undefined) throw noToken(`${url.host} gave none`);
  return token;
}

/** The proof of an application that signs for itself. */
export function assertion(jwt: string): Readonly<Record<string, string>> {
  return { client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", client_assertion: jwt };
}
