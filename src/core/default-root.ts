import { homedir } from "node:os";
import { join, resolve } from "node:path";

/** Returns the root directory that is used if none is given: `VARVE_ROOT`, else `/var/lib/varve` for root and `$XDG_DATA_HOME/varve` for others. */
export function defaultRoot(env: NodeJS.ProcessEnv = process.env): string {
  if (env["VARVE_ROOT"] !== undefined && env["VARVE_ROOT"] !== "") return resolve(env["VARVE_ROOT"]);
  if (process.getuid?.() === 0) return "/var/lib/varve";
  return resolve(env["XDG_DATA_HOME"] ?? join(homedir(), ".local/share"), "varve");
}
