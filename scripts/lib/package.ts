import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundlePrograms } from "./bundle.ts";
import { run } from "./run.ts";

type Json = Readonly<Record<string, unknown>>;

/** What of the checkout's package.json holds for an installed package too. */
const KEPT = [
  "name",
  "version",
  "description",
  "keywords",
  "license",
  "repository",
  "homepage",
  "bugs",
  "bin",
  "type",
  "dependencies",
  "engines",
  "os",
] as const;

/** A public door of the sources as a door of what they are compiled to. */
function compiledDoor(source: string): { types: string; default: string } {
  const stem = source.replace(/^\.\/src\//, "./dist/").replace(/\.ts$/, "");
  return { types: `${stem}.d.ts`, default: `${stem}.js` };
}

function manifest(): Json {
  const checkout = JSON.parse(readFileSync("package.json", "utf8")) as Json & { exports: Record<string, string> };
  const kept = KEPT.filter((key) => checkout[key] !== undefined).map((key) => [key, checkout[key]]);
  const doors = Object.entries(checkout.exports).map(([door, source]) => [door, compiledDoor(source)]);
  return {
    ...Object.fromEntries(kept),
    exports: { ...Object.fromEntries(doors), "./package.json": "./package.json" },
    files: ["bin", "dist", "CHANGELOG.md"],
  };
}

/**
 * Writes the package as it is published into a folder, which is emptied first: compiled sources with their declarations, the
 * command in few files, and a package.json whose doors lead to them. Nothing of it is written into the checkout, which always runs from its sources.
 */
export async function stagePackage(
  folder: string,
  { isBundled = true }: { readonly isBundled?: boolean } = {},
): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  run("tsc", "-p", "tsconfig.build.json", "--outDir", join(folder, "dist"));
  if (isBundled) await bundlePrograms(join(folder, "dist"), join(folder, "dist/command"));
  cpSync("bin", join(folder, "bin"), { recursive: true });
  for (const file of ["README.md", "LICENSE", "CHANGELOG.md"]) if (existsSync(file)) cpSync(file, join(folder, file));
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest(), undefined, 2)}\n`);
}

/** Packs a staged package, or one of npm's registry (`name@version`), into `destination`; returns the tarball's path. */
export function packPackage(source: string, destination: string): string {
  const printed = run("npm", "pack", source, "--json", "--ignore-scripts", "--pack-destination", destination);
  const [packed] = Object.values(JSON.parse(printed) as Record<string, { filename: string }>);
  if (packed === undefined) throw new Error(`npm pack made nothing: ${printed}`);
  return join(destination, packed.filename);
}
