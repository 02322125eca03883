/**
 * Makes src/api/buildkit/proto/gen/ from the .proto files beside it. With `--check` it fails if the folder is stale.
 */
import { execFileSync } from "node:child_process";
import { cpSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const SOURCES = "src/api/buildkit/proto";
const GENERATED = join(SOURCES, "gen");
const OPTIONS = ["target=ts", "import_extension=ts", "erasable_syntax=true"];

/** Compiles the sources into a folder. Nothing is read from the network. */
function generate(folder: string): void {
  const plugin = { local: ["node_modules/.bin/protoc-gen-es"], out: ".", opt: OPTIONS };
  const template = JSON.stringify({ version: "v2", plugins: [plugin] });
  execFileSync("node_modules/.bin/buf", ["generate", SOURCES, "--template", template, "--output", folder], {
    stdio: "inherit",
  });
}

function filesOf(folder: string): Map<string, string> {
  return new Map(globSync("*.ts", { cwd: folder }).map((name) => [name, readFileSync(join(folder, name), "utf8")]));
}

const made = mkdtempSync(join(tmpdir(), "varve-proto-"));
try {
  generate(made);
  const [fresh, stale] = [filesOf(made), filesOf(GENERATED)];
  if (fresh.size < 15) throw new Error(`only ${fresh.size} files were made`);
  if (!process.argv.includes("--check")) {
    rmSync(GENERATED, { recursive: true, force: true });
    cpSync(made, GENERATED, { recursive: true });
  } else {
    const names = new Set([...fresh.keys(), ...stale.keys()]);
    const different = [...names].filter((name) => fresh.get(name) !== stale.get(name));
    for (const name of different) console.error(`${join(GENERATED, name)} is stale: run node scripts/proto.ts`);
    process.exitCode = different.length === 0 ? 0 : 1;
  }
} finally {
  rmSync(made, { recursive: true, force: true });
}
