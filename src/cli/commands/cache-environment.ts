import type { CacheSpec } from "../../engine/index.ts";
import type { CommandContext } from "../command.ts";

/** Attributes that are taken from variables of the user's environment if they are absent. */
type Variables = readonly (readonly [attribute: string, ...variables: string[]])[];

const VARIABLES: ReadonlyMap<string, Variables> = new Map([
  [
    "s3",
    [
      ["bucket", "AWS_BUCKET"],
      ["region", "AWS_REGION"],
      ["endpoint_url", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"],
    ],
  ],
  [
    "azblob",
    [
      ["account_url", "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL"],
      ["account_name", "BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME"],
      ["container", "BUILDKIT_AZURE_STORAGE_CONTAINER"],
      ["prefix", "BUILDKIT_AZURE_STORAGE_PREFIX"],
    ],
  ],
]);

type Served = Pick<CommandContext, "env" | "serverStore" | "signal">;

/**
 * Adds what the user's environment says about a cache, for a command that a server executes: the environment of the server is another.
 * As by buildx, that includes the keys that AWS's programs would find.
 */
export async function withEnvironment(spec: CacheSpec, { env, serverStore, signal }: Served): Promise<CacheSpec> {
  const variables = VARIABLES.get(spec.type);
  if (serverStore === undefined || variables === undefined) return spec;
  const attrs = withVariables(spec.attrs, variables, env);
  return { ...spec, attrs: spec.type === "s3" ? await withAwsKeys(attrs, { env, signal }) : attrs };
}

function withVariables(
  given: CacheSpec["attrs"],
  variables: Variables,
  env: CommandContext["env"],
): Record<string, string> {
  const attrs: Record<string, string> = { ...given };
  for (const [attribute, ...names] of variables) {
    const value = names.map((name) => env[name] ?? "").find((text) => text !== "");
    if ((attrs[attribute] ?? "") === "" && value !== undefined) attrs[attribute] = value;
  }
  return attrs;
}

async function withAwsKeys(
  attrs: Record<string, string>,
  { env, signal }: Pick<Served, "env" | "signal">,
): Promise<Record<string, string>> {
  if ((attrs["access_key_id"] ?? "") !== "" && (attrs["secret_access_key"] ?? "") !== "") return attrs;
  const { findAwsKeys } = await import("../../objectstore/index.ts");
  const keys = await findAwsKeys(env, { region: attrs["region"] ?? "", signal });
  if (keys === undefined) return attrs;
  const token = keys.sessionToken === undefined ? {} : { session_token: keys.sessionToken };
  return { ...attrs, access_key_id: keys.accessKeyId, secret_access_key: keys.secretAccessKey, ...token };
}
