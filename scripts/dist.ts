/** Makes single executables in `.cache/dist`: `node scripts/dist.ts [x64] [arm64]`, by default for this machine. */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Architecture, makeExecutable } from "./lib/executable.ts";
import { packPackage, stagePackage } from "./lib/package.ts";
import { run } from "./lib/run.ts";

const CACHE = resolve(".cache");

/** Returns the folder of a package of npm's registry. Packages of another architecture are not installed: they are downloaded. */
function packageFolder(name: string, version: string): string {
  const installed = join("node_modules", name);
  if (existsSync(installed)) return installed;
  const folder = join(CACHE, "packages", `${name.replace("/", "+")}-${version}`);
  if (existsSync(join(folder, "package"))) return join(folder, "package");
  mkdirSync(folder, { recursive: true });
  run("tar", "-xzf", packPackage(`${name}@${version}`, folder), "-C", folder);
  return join(folder, "package");
}

function isArchitecture(name: string): name is Architecture {
  return name === "x64" || name === "arm64";
}

const names = process.argv.length > 2 ? process.argv.slice(2) : [process.arch];
const staged = join(CACHE, "package");
await stagePackage(staged, { isBundled: false });
const { dependencies, devDependencies } = JSON.parse(readFileSync("package.json", "utf8")) as {
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
};
mkdirSync(join(CACHE, "dist"), { recursive: true });
for (const arch of names) {
  if (!isArchitecture(arch)) throw new Error(`Cannot make an executable for ${arch}: expected x64 or arm64`);
  const output = join(CACHE, "dist", `varve-linux-${arch}`);
  const own = arch === process.arch;
  await makeExecutable({
    modules: join(staged, "dist"),
    node: own ? process.execPath : join(packageFolder(`node-linux-${arch}`, devDependencies["node"] ?? ""), "bin/node"),
    koffi: packageFolder(`@koromix/koffi-linux-${arch}`, dependencies["koffi"] ?? ""),
    arch,
    work: join(CACHE, "executable"),
    output,
  });
  console.log(output);
}
