import { readFile } from "node:fs/promises";
import { VarveError } from "../../core/index.ts";
import type { ChainContext, FoundKeys } from "./chain.ts";
import { assumeRole } from "./sts.ts";

/** The role and the token of a workload, as Kubernetes and CI services give them. */
export interface WebIdentity {
  readonly role: string;
  readonly tokenFile: string;
  readonly session?: string | undefined;
}

/** Keys of the web identity that the environment names. */
export async function webIdentityKeys(context: ChainContext): Promise<FoundKeys | undefined> {
  const { env } = context;
  const role = env["AWS_ROLE_ARN"] ?? "";
  const tokenFile = env["AWS_WEB_IDENTITY_TOKEN_FILE"] ?? "";
  if (role === "" || tokenFile === "") return undefined;
  return await keysOfIdentity({ role, tokenFile, session: env["AWS_ROLE_SESSION_NAME"] }, context);
}

export async function keysOfIdentity(
  { role, tokenFile, session = "varve" }: WebIdentity,
  context: ChainContext,
): Promise<FoundKeys> {
  const token = await readFile(tokenFile, "utf8").catch((cause: unknown) => {
    throw new VarveError("unauthorized", `Cannot read the AWS token file ${tokenFile}`, { cause });
  });
  const parameters = { RoleArn: role, RoleSessionName: session || "varve", WebIdentityToken: token.trim() };
  return await assumeRole({ action: "AssumeRoleWithWebIdentity", parameters }, context);
}
