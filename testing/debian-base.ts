import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { sh } from "./varve.ts";

/** How this machine reaches its Debian packages. */
export interface AptAccess {
  readonly suite: string;
  /** Lines of a `sources.list`. */
  readonly sources: readonly string[];
  /** Settings of the transport: proxies, and which dates to trust. */
  readonly settings: readonly string[];
}

const CACHE = fileURLToPath(new URL("../.cache/interop/", import.meta.url));
const TRANSPORT = /^Acquire::(?:http|https|Check-Valid-Until|Check-Date|Retries)\b.* ".+";$/;

/** What apt is told on this machine; undefined if it is not a Debian with sources of its own release. */
export function aptAccess(): AptAccess | undefined {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
  if (suite === undefined || !/^ID=debian$/m.test(release)) return undefined;
  const format = ["--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"];
  const targets = execFileSync("apt-get", ["indextargets", ...format], { encoding: "utf8" }).split("\n");
  const own = targets.map((line) => line.split(" ")).filter(([, name = "", part]) => isOwn(name, suite, part));
  if (!own.some(([, name]) => name === suite)) return undefined;
  const settings = execFileSync("apt-config", ["dump"], { encoding: "utf8" }).split("\n");
  return {
    suite,
    sources: [...new Set(own.map((fields) => `deb ${fields.join(" ")}`))],
    settings: settings.filter((line) => TRANSPORT.test(line)),
  };
}

function isOwn(name: string, suite: string, component: string | undefined): boolean {
  return component === "main" && [suite, `${suite}-updates`, `${suite}-security`].includes(name);
}

/** An archive of a small Debian with these packages, made once for each choice and kept in the checkout's `.cache`. */
export async function debianArchive(apt: AptAccess, packages: readonly string[]): Promise<string> {
  const file = join(CACHE, `${apt.suite}-${packages.join("-")}.tar.zst`);
  if (existsSync(file)) return file;
  mkdirSync(dirname(file), { recursive: true });
  const partial = join(CACHE, `partial-${process.pid}.tar.zst`);
  try {
    const options = [
      "--variant=minbase",
      `--include=${packages.join(",")}`,
      ...apt.settings.map((line) => `--aptopt=${line}`),
    ];
    await sh("mmdebstrap", ...options, '--aptopt=APT::Install-Recommends "false";', apt.suite, partial, ...apt.sources);
    renameSync(partial, file);
  } finally {
    rmSync(partial, { force: true });
  }
  return file;
}
