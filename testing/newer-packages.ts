import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CACHE = fileURLToPath(new URL("../.cache/interop/", import.meta.url));
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const MIRROR = "http://deb.debian.org/debian";

/** Debian's releases to take newer programs from, newest first: what one misses or has moved on with, the next may have. */
const SUITES = ["sid", "trixie"];

/**
 * Debian packages of a newer release than this machine's, checked by apt against Debian's keys and unpacked into a folder
 * beside the system, once for each choice and kept in the checkout's `.cache`. Returns the folder, a root file system with
 * nothing but these packages; undefined if they cannot be had.
 */
export function newerPackages(...packages: readonly string[]): string | undefined {
  return unpacked(`newer-${packages.join("-")}`, packages);
}

/** As `newerPackages`, for another architecture, such as "arm64". */
export function foreignPackages(architecture: string, ...packages: readonly string[]): string | undefined {
  const names = packages.map((name) => `${name}:${architecture}`);
  return unpacked(`foreign-${architecture}-${packages.join("-")}`, names, architecture);
}

function unpacked(name: string, packages: readonly string[], architecture?: string): string | undefined {
  const folder = join(CACHE, name);
  if (existsSync(folder)) return folder;
  if (!existsSync(KEYRING)) return undefined;
  return SUITES.some((suite) => unpackFrom(suite, packages, folder, architecture)) ? folder : undefined;
}

function unpackFrom(suite: string, packages: readonly string[], folder: string, architecture?: string): boolean {
  mkdirSync(dirname(folder), { recursive: true });
  const partial = mkdtempSync(`${folder}.partial-`);
  try {
    const [state, root] = [join(partial, "apt"), join(partial, "root")];
    for (const part of ["lists/partial", "archives/partial"]) mkdirSync(join(state, part), { recursive: true });
    mkdirSync(root);
    const settings = [
      ...aptSettings(state, suite),
      ...(architecture === undefined ? [] : ["-o", `APT::Architectures::=${architecture}`]),
    ];
    const quiet = { cwd: state, stdio: "ignore" } as const;
    execFileSync("apt-get", [...settings, "update"], quiet);
    execFileSync("apt-get", [...settings, "download", ...packages], quiet);
    for (const file of globSync("*.deb", { cwd: state })) execFileSync("dpkg", ["-x", file, root], quiet);
    renameSync(root, folder);
    return true;
  } catch {
    return existsSync(folder);
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
}

/** An apt that knows this suite alone, and keeps everything in a folder of its own. */
function aptSettings(state: string, suite: string): string[] {
  const sources = join(state, "sources.list");
  writeFileSync(sources, `deb [signed-by=${KEYRING}] ${MIRROR} ${suite} main\n`);
  const settings = [
    `Dir::Etc::SourceList=${sources}`,
    "Dir::Etc::SourceParts=/dev/null",
    "Dir::Etc::Preferences=/dev/null",
    "Dir::Etc::PreferencesParts=/dev/null",
    `Dir::State::Lists=${join(state, "lists")}`,
    `Dir::Cache=${state}`,
    "Acquire::Languages=none",
    "APT::Sandbox::User=root",
  ];
  return settings.flatMap((setting) => ["-o", setting]);
}
