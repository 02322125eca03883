import { readFile } from "node:fs/promises";
import { applicationToken, assertion } from "./entra.ts";
import { type EntraToken, type IdentityContext, authorityUrl, noToken } from "./token.ts";

/** The identity of a workload, whose token Kubernetes and CI services put into a file. */
export async function workloadToken(context: IdentityContext): Promise<EntraToken | undefined> {
  const { env } = context;
  const tenant = env["AZURE_TENANT_ID"] ?? "";
  const client = env["AZURE_CLIENT_ID"] ?? "";
  const file = env["AZURE_FEDERATED_TOKEN_FILE"] ?? "";
  if (tenant === "" || client === "" || file === "") return undefined;
  const jwt = await readFile(file, "utf8").catch((error: unknown) => {
    throw noToken(`the token file ${file} cannot be read`, error);
  });
  return await applicationToken(authorityUrl(context, tenant), client, assertion(jwt.trim()), context);
}
