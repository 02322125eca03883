import { isVarveError } from "../../core/index.ts";
import type { ChainContext, FoundKeys } from "./chain.ts";
import { askMetadata, keysInJson } from "./metadata.ts";

const SERVICE = "http://169.254.169.254";
const ROLES = "/latest/meta-data/iam/security-credentials/";

/** Keys of the machine that this process runs on: the EC2 instance metadata service, version 2. */
export async function instanceKeys(context: ChainContext): Promise<FoundKeys | undefined> {
  const { env } = context;
  if (/^true$/i.test(env["AWS_EC2_METADATA_DISABLED"] ?? "")) return undefined;
  const service = env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] || SERVICE;
  try {
    const ttl = { "x-aws-ec2-metadata-token-ttl-seconds": "21600", "content-length": "0" };
    const token = await askMetadata(
      { method: "PUT", url: new URL("/latest/api/token", service), headers: ttl },
      context,
    );
    if (token === undefined) return undefined;
    const headers = { "x-aws-ec2-metadata-token": token.trim() };
    const names = await askMetadata({ method: "GET", url: new URL(ROLES, service), headers }, context);
    const [role = ""] = (names ?? "").split("\n");
    if (!/^[\w+=,.@-]{1,128}$/.test(role)) return undefined;
    const answer = await askMetadata({ method: "GET", url: new URL(`${ROLES}${role}`, service), headers }, context);
    return answer === undefined ? undefined : keysInJson(answer);
  } catch (error) {
    // There is no such service outside EC2.
    if (isVarveError(error, "remote") && error.details.failure !== undefined) return undefined;
    throw error;
  }
}
