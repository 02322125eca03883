import type { CacheSpec } from "../../engine/index.ts";
import type { CommandContext } from "../command.ts";

/** Attributes that are taken from variables of the user's environment if they are absent. */
const VARIABLES: readonly (readonly [attribute: string, ...variables: string[]])[] = [
  ["bucket", "AWS_BUCKET"],
  ["region", "AWS_REGION"],
  ["endpoint_url", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
];

type Served = Pick<CommandContext, "env" | "serverStore" | "signal">;

/**
 * Adds what the user's environment says about a cache, for a command that a server executes: the environment of the server is another.
 * As by buildx, that includes the keys that AWS's programs would find.
 */
export async function withEnvironment(spec: CacheSpec, { env, serverStore, signal }: Served): Promise<CacheSpec> {
  if (serverStore === undefined || spec.type !== "s3") return spec;
  const attrs: Record<string, string> = { ...spec.attrs };
  for (const [attribute, ...variables] of VARIABLES) {
    const value = variables.map((name) => env[name] ?? "").find((text) => text !== "");
    if ((attrs[attribute] ?? "") === "" && value !== undefined) attrs[attribute] = value;
  }
  if ((attrs["access_key_id"] ?? "") !== "" && (attrs["secret_access_key"] ?? "") !== "") return { ...spec, attrs };
  const { findAwsKeys } = await import("../../objectstore/index.ts");
  const keys = await findAwsKeys(env, { region: attrs["region"] ?? "", signal });
  if (keys === undefined) return { ...spec, attrs };
  attrs["access_key_id"] = keys.accessKeyId;
  attrs["secret_access_key"] = keys.secretAccessKey;
  if (keys.sessionToken !== undefined) attrs["session_token"] = keys.sessionToken;
  return { ...spec, attrs };
}
