import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { errnoOf } from "../../../core/index.ts";
import { type EntraToken, type IdentityContext, RESOURCE, noToken, tokenIn } from "./token.ts";

const TIMEOUT = 60_000;

/** The user who is logged in with `az`. */
export async function commandToken({ env, signal }: IdentityContext): Promise<EntraToken | undefined> {
  const args = ["account", "get-access-token", "--output", "json", "--resource", RESOURCE];
  const options = { env: { ...env }, timeout: TIMEOUT, maxBuffer: 262_144, signal };
  try {
    const { stdout } = await promisify(execFile)("az", args, options);
    return tokenIn(stdout);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw noToken("az failed: run az login", error);
  }
}
