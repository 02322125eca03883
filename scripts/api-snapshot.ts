/**
 * Keeps a text of what each public entry point of the package exports, name by name, so that a change of the API shows as a
 * change of a file. Without arguments it writes the texts to `api/`; with `--check` it fails where they are no longer true.
 * Either way it fails if a public signature names a type that its entry point does not export.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Declarations } from "./lib/declarations.ts";

const FOLDER = "api";
const EMITTED = ".cache/declarations";
/** An entry point with fewer names was not read right. */
const LEAST = 3;

const { exports: entryPoints } = JSON.parse(readFileSync("package.json", "utf8")) as {
  exports: Record<string, string>;
};

/** Without checking types: with isolated declarations, every declaration comes from its own file. */
function emit(): void {
  rmSync(EMITTED, { recursive: true, force: true });
  const args = ["-p", "tsconfig.build.json", "--emitDeclarationOnly", "--noCheck", "--outDir", EMITTED];
  const { error } = spawnSync("tsc", args, { stdio: "ignore" });
  if (error !== undefined) throw error;
}

function declarationFile(source: string): string {
  return join(EMITTED, source.replace(/^\.\/src\//, "").replace(/\.ts$/, ".d.ts"));
}

function snapshot(entryPoint: string, source: string): string {
  const path = declarationFile(source);
  const exported = new Declarations().exportsOf(path);
  if (exported.size < LEAST)
    throw new Error(`${entryPoint} exports only ${exported.size} names: ${path} was not read right`);
  const entries = [...exported].map(([name, texts]) => `// ${name}\n${texts.join("\n")}\n`);
  return `${exported.size} names\n\n${entries.join("\n")}`;
}

function fileName(entryPoint: string): string {
  return `${entryPoint === "." ? "varve" : entryPoint.slice(2).replaceAll("/", "-")}.txt`;
}

/** What a reader needs to see which names changed. */
function difference(before: string, after: string): string[] {
  const [old, young] = [new Set(before.split("\n")), new Set(after.split("\n"))];
  const gone = [...old].filter((line) => !young.has(line)).map((line) => `  - ${line}`);
  const come = [...young].filter((line) => !old.has(line)).map((line) => `  + ${line}`);
  return [...gone, ...come].slice(0, 40);
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

emit();
const current = new Map(
  Object.entries(entryPoints).map(([entryPoint, source]) => [fileName(entryPoint), snapshot(entryPoint, source)]),
);
if (current.size === 0) throw new Error("package.json has no exports");

for (const source of Object.values(entryPoints))
  for (const [type, name] of new Declarations().missingFrom(declarationFile(source))) {
    console.error(`${source} exports ${name}, which needs the type ${type}: export it there too`);
    process.exitCode = 1;
  }

if (process.argv.includes("--check")) {
  const stale = [...current].filter(([name, text]) => read(join(FOLDER, name)) !== text);
  for (const [name, text] of stale)
    console.error([`${FOLDER}/${name}:`, ...difference(read(join(FOLDER, name)), text)].join("\n"));
  if (stale.length > 0) {
    console.error(
      "\nThe public API is no longer what api/ says. If that is meant, run node scripts/api-snapshot.ts and commit api/.",
    );
    process.exitCode = 1;
  }
} else {
  mkdirSync(FOLDER, { recursive: true });
  for (const name of readdirSync(FOLDER)) if (!current.has(name)) rmSync(join(FOLDER, name));
  for (const [name, text] of current) writeFileSync(join(FOLDER, name), text);
}
