import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { TestContext } from "node:test";
import { isRootUser } from "../src/linux/index.ts";

function isInstalled(program: string): boolean {
  return (process.env["PATH"] ?? "").split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Why a test that runs these programs as root cannot run here; undefined if it can. */
export function peersMissing(...programs: readonly string[]): string | undefined {
  if (!isRootUser()) return "needs root: it unpacks owners and runs containers";
  const missing = programs.filter((program) => !isInstalled(program));
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/** Skips the test, loudly, unless it is run by root and these programs are installed. */
export function needsPeers(t: TestContext, ...programs: readonly string[]): boolean {
  const reason = peersMissing(...programs);
  if (reason === undefined) return true;
  t.skip(reason);
  return false;
}
