import { spawnSync } from "node:child_process";
import { lstatSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sh } from "./varve.ts";

/** Kinds of dependencies that a program does not need to run. */
const LEFT_OUT = ["recommends", "suggests", "conflicts", "breaks", "replaces", "enhances"];
/** What no package has, or the scripts of packages make. */
const BESIDES = ["/bin", "/sbin", "/lib", "/lib64", "/usr/bin/sh", "/etc/passwd", "/etc/group", "/tmp"];

function lines(command: string, ...args: readonly string[]): string[] {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", maxBuffer: 100_000_000 });
  return status === 0 ? stdout.split("\n").filter(Boolean) : [];
}

/** Returns why there can be no tree of these packages; undefined if this machine is a Debian that has them. */
export function packagesMissing(packages: readonly string[]): string | undefined {
  const missing = packages.filter((name) => lines("dpkg-query", "-L", name).length === 0);
  return missing.length === 0 ? undefined : `not installed here: ${missing.join(", ")}`;
}

/**
 * Writes an archive with the files that packages of this machine and those that they depend on have installed: a root in which their
 * programs run. Takes seconds, where a new installation takes minutes. Returns its name in the directory.
 */
export async function packagesArchive(packages: readonly string[], directory: string): Promise<string> {
  const flags = LEFT_OUT.map((kind) => `--no-${kind}`);
  const found = lines("apt-cache", "depends", "--recurse", "--installed", ...flags, ...packages);
  const names = new Set(found.filter((line) => /^[a-z]/.test(line)));
  const owned = lines("dpkg-query", "-L", ...names, "dash").filter((line) => line.startsWith("/"));
  // Packages name files in /bin, which is a link to /usr/bin.
  const merged = owned.map((path) => path.replace(/^\/(s?bin|lib(?:32|64|x32)?)\//, "/usr/$1/"));
  const compiled = merged.filter((path) => path.endsWith("/__init__.py")).flatMap(compiledBeside);
  const paths = [...new Set([...BESIDES, ...merged, ...compiled])].filter((path) => path !== "/." && isWanted(path));
  writeFileSync(join(directory, "files"), paths.map((path) => `.${path}\n`).join(""));
  await sh("tar", "-C", "/", "--no-recursion", "-cf", join(directory, "base.tar"), "-T", join(directory, "files"));
  return "base.tar";
}

/** Returns the compiled modules of a Python package, which the scripts of Debian packages make. */
function compiledBeside(init: string): string[] {
  const cache = join(init, "../__pycache__");
  if (lstatSync(cache, { throwIfNoEntry: false }) === undefined) return [];
  return [cache, ...readdirSync(cache).map((name) => join(cache, name))];
}

function isWanted(path: string): boolean {
  return (
    !/^\/usr\/share\/(?:doc|man|locale|info)\//.test(path) && lstatSync(path, { throwIfNoEntry: false }) !== undefined
  );
}
