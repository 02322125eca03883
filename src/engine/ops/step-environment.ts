import { VarveError } from "../../core/index.ts";
import type { SecretEnv } from "../../llb/index.ts";
import type { ExecDeps } from "./deps.ts";

/** The `PATH` of a step that has none, as BuildKit sets it. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Returns the secrets of a step as variables. A missing optional secret is empty. */
export async function secretEnvironment(
  secrets: readonly SecretEnv[],
  { client }: Pick<ExecDeps, "client">,
): Promise<string[]> {
  const env: string[] = [];
  for (const { id, name, optional } of secrets) {
    if (id === "")
      throw new VarveError("invalid-build", `secret ID missing for ${JSON.stringify(name)} environment variable`);
    const value = (await client.secret(id, optional)) ?? new Uint8Array();
    env.push(`${name}=${Buffer.from(value).toString()}`);
  }
  return env;
}
