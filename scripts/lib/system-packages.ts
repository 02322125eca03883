import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";

/** A program the scripts need, or the full path of a file, and the Debian package that has it. */
export interface Program {
  readonly program: string;
  readonly package: string;
}

const FOLDERS = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

export function findProgram(program: string): string | undefined {
  if (program.startsWith("/")) return existsSync(program) ? program : undefined;
  const folders = [...(process.env["PATH"] ?? "").split(":"), ...FOLDERS];
  return folders.map((folder) => `${folder}/${program}`).find((path) => existsSync(path));
}

function aptGet(...args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return spawnSync("apt-get", args, { stdio: ["ignore", "ignore", "inherit"], env }).status === 0;
}

/**
 * Installs what is missing with the system's package manager when root. Returns what is still missing, so that the caller
 * can say so. A package's services are not started.
 */
export function installPrograms(wanted: readonly Program[]): Program[] {
  const missing = (): Program[] => wanted.filter(({ program }) => findProgram(program) === undefined);
  const first = missing();
  if (first.length === 0) return [];
  if (process.getuid?.() !== 0 || findProgram("apt-get") === undefined) return first;
  const names = [...new Set(first.map((entry) => entry.package))];
  console.log(`installing ${names.join(", ")}`);
  const install = ["install", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"];
  const policy = withoutServices();
  try {
    if (!aptGet(...install, ...names)) {
      aptGet("update");
      if (!aptGet(...install, ...names)) for (const name of names) aptGet(...install, name);
    }
  } finally {
    policy();
  }
  return missing();
}

/** Keeps Debian's maintainer scripts from starting services; returns what undoes it. */
function withoutServices(): () => void {
  const path = "/usr/sbin/policy-rc.d";
  if (existsSync(path)) return () => undefined;
  spawnSync("sh", ["-c", `printf '#!/bin/sh\\nexit 101\\n' > ${path} && chmod +x ${path}`]);
  return () => void spawnSync("rm", ["-f", path]);
}

/** What to type to get the missing programs. */
export function installHint(missing: readonly Program[]): string {
  return `apt-get install -y ${[...new Set(missing.map((entry) => entry.package))].join(" ")}`;
}
