import { isVarveError } from "../../../core/index.ts";
import { HttpClient } from "../../http-client.ts";
import { type EntraToken, type IdentityContext, RESOURCE, askToken, noToken } from "./token.ts";

const SERVICE = "http://169.254.169.254";
/** The service is in the same machine: it answers at once, or does not exist. In milliseconds. */
const TIMEOUTS = { connect: 1000, idle: 5000 };

/** The managed identity of the app or of the machine that this process runs on. `AZURE_CLIENT_ID` chooses one of several. */
export async function managedToken(context: IdentityContext): Promise<EntraToken | undefined> {
  const { env } = context;
  const client = env["AZURE_CLIENT_ID"] ?? "";
  const parameters = { resource: `${RESOURCE}/`, ...(client === "" ? {} : { client_id: client }) };
  const endpoint = env["IDENTITY_ENDPOINT"] ?? "";
  const secret = env["IDENTITY_HEADER"] ?? "";
  if (endpoint !== "" && secret !== "") return await appToken(endpoint, secret, parameters, context);
  return await machineToken(parameters, context);
}

/** https://learn.microsoft.com/azure/app-service/overview-managed-identity */
async function appToken(
  endpoint: string,
  secret: string,
  parameters: Readonly<Record<string, string>>,
  context: IdentityContext,
): Promise<EntraToken | undefined> {
  if (!URL.canParse(endpoint)) throw noToken("IDENTITY_ENDPOINT is not a URL");
  const url = new URL(endpoint);
  url.search = new URLSearchParams({ "api-version": "2019-08-01", ...parameters }).toString();
  return await askToken({ method: "GET", url, headers: { "x-identity-header": secret } }, context);
}

/** The instance metadata service. https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token */
async function machineToken(
  parameters: Readonly<Record<string, string>>,
  context: IdentityContext,
): Promise<EntraToken | undefined> {
  const service = context.env["AZURE_POD_IDENTITY_AUTHORITY_HOST"] || SERVICE;
  const url = new URL("/metadata/identity/oauth2/token", service);
  url.search = new URLSearchParams({ "api-version": "2018-02-01", ...parameters }).toString();
  using client = new HttpClient({ env: context.env, timeouts: TIMEOUTS, retry: { attempts: 3, timeouts: 1 } });
  try {
    return await askToken({ method: "GET", url, headers: { metadata: "true" } }, { ...context, client }, [400, 404]);
  } catch (error) {
    // There is no such service outside Azure.
    if (isVarveError(error, "remote") && error.details.failure !== undefined) return undefined;
    throw error;
  }
}
