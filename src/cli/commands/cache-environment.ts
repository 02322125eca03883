import { resolve } from "node:path";
import { keyPlaceOf, parseGoBool } from "../../core/index.ts";
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

/** The attributes that name keys. */
const KEYS = ["sign", "verify"] as const;

type Served = Pick<CommandContext, "cwd" | "env" | "serverStore" | "signal">;

/**
 * Adds what the user's environment says about a cache, for a command that a server executes: the environment of the server is another.
 * As by buildx, that includes the keys that AWS's programs would find. Keys that sign documents or verify them are replaced by their text.
 */
export async function withEnvironment(given: CacheSpec, served: Served): Promise<CacheSpec> {
  const { env, serverStore, signal } = served;
  if (serverStore === undefined) return given;
  const spec = { ...given, attrs: await withKeys(given.attrs, served) };
  if (spec.type === "gha") return { ...spec, attrs: withActions(spec.attrs, env) };
  const variables = VARIABLES.get(spec.type);
  if (variables === undefined) return spec;
  const attrs = withVariables(spec.attrs, variables, env);
  return { ...spec, attrs: spec.type === "s3" ? await withAwsKeys(attrs, { env, signal }) : attrs };
}

async function withKeys(
  attrs: CacheSpec["attrs"],
  { cwd, env }: Pick<Served, "cwd" | "env">,
): Promise<CacheSpec["attrs"]> {
  const texts: Record<string, string> = {};
  for (const attribute of KEYS) {
    const key = attrs[attribute];
    if (key === undefined) continue;
    const { readKeyText } = await import("../../remotecache/index.ts");
    const place = keyPlaceOf(key);
    const absolute = place.kind === "file" && key !== "" ? resolve(cwd, place.path) : key;
    texts[attribute] = await readKeyText(attribute, absolute, { machine: true, env });
  }
  return { ...attrs, ...texts };
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

/** What the runner of GitHub Actions says about its cache service. */
function withActions(given: CacheSpec["attrs"], env: CommandContext["env"]): Record<string, string> {
  const version = parseGoBool(env["ACTIONS_CACHE_SERVICE_V2"] ?? "") === true ? "2" : "";
  const attrs = withVariables(
    version === "" || (given["version"] ?? "") !== "" ? given : { ...given, version },
    [
      ["url", "ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL"],
      ["token", "ACTIONS_RUNTIME_TOKEN"],
    ],
    env,
  );
  return attrs["version"] === "2" ? withVariables(attrs, [["url_v2", "ACTIONS_RESULTS_URL"]], env) : attrs;
}

/**
 * Returns the caches of a build that can be used here. As with buildx, the cache of GitHub Actions is left out elsewhere, so that the same
 * command works there; `leftOut` is called for it.
 */
export function usableHere(
  specs: readonly CacheSpec[],
  env: CommandContext["env"],
  leftOut: (message: string) => void,
): CacheSpec[] {
  return specs.filter((spec) => {
    if (spec.type !== "gha") return true;
    const { url = "", url_v2: second = "", token = "" } = withActions(spec.attrs, env);
    if (token !== "" && (url !== "" || second !== "")) return true;
    leftOut(
      "The cache of GitHub Actions is left out: its URL or its token is not set (ACTIONS_RESULTS_URL, ACTIONS_RUNTIME_TOKEN)",
    );
    return false;
  });
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
