/**
 * Builds a real image twice: first a base image from files of this machine, then the service in examples/node-service on
 * top of it. The second time every step is cached. Leaves an OCI archive that other tools load.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { findProgram, installHint, installPrograms } from "./lib/system-packages.ts";

const OUT = resolve("demo-out");
const ROOT = process.env["VARVE_ROOT"] ?? join(OUT, "store");
const BASE = "varve.example/node:26";
const EXAMPLE = "examples/node-service";

const missing = installPrograms([
  { program: "crun", package: "crun" },
  { program: "busybox", package: "busybox-static" },
]).filter(({ program }) => program !== "crun" || findProgram("runc") === undefined);
if (missing.length > 0) {
  console.error(`The demo needs more than this machine has. As root: ${installHint(missing)}`);
  process.exit(5);
}

interface Step {
  readonly name: string;
  readonly status: string;
  readonly cache: string | null;
  readonly ms: number;
}

/** Runs the real command; returns its steps and how long the process took, start included. */
function varve(...args: string[]): { steps: readonly Step[]; ms: number } {
  const metadata = join(OUT, "metadata.json");
  const started = performance.now();
  const argv = ["bin/varve.js", "--root", ROOT, "build", "--progress=plain", "--metadata-file", metadata, ...args];
  console.log(`\n$ varve build ${args.join(" ")}`);
  const { status } = spawnSync(process.execPath, argv, { stdio: "inherit" });
  const ms = performance.now() - started;
  if (status !== 0) process.exit(status ?? 6);
  const { "varve.steps": steps } = JSON.parse(readFileSync(metadata, "utf8")) as { "varve.steps": Step[] };
  return { steps, ms };
}

/** The files of the base image: busybox, Node, and the libraries Node asks its loader for. */
function stageBase(folder: string): void {
  if (existsSync(join(folder, "etc/group"))) return;
  const node = realpathSync(process.execPath);
  const copy = (from: string, to: string): void => {
    mkdirSync(dirname(join(folder, to)), { recursive: true });
    copyFileSync(realpathSync(from), join(folder, to));
  };
  copy(findProgram("busybox") ?? "/bin/busybox", "bin/busybox");
  copy(node, "usr/local/bin/node");
  const libraries = spawnSync("ldd", [node], { encoding: "utf8" }).stdout;
  for (const [, path = ""] of libraries.matchAll(/(?:=>\s*|^\s*)(\/\S+)/gm)) copy(path, path.replace(/^\//, ""));
  mkdirSync(join(folder, "etc"), { recursive: true });
  writeFileSync(join(folder, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  writeFileSync(join(folder, "etc/group"), "root:x:0:\n");
}

function build(): { steps: readonly Step[]; ms: number } {
  const archive = join(OUT, "node-service.tar");
  const base = varve("-f", `${EXAMPLE}/Dockerfile.base`, "-t", BASE, join(OUT, "base"));
  const app = varve("-t", "varve.example/node-service:1", "-o", `type=oci,dest=${archive}`, EXAMPLE);
  return { steps: [...base.steps, ...app.steps], ms: app.ms };
}

mkdirSync(OUT, { recursive: true });
stageBase(join(OUT, "base"));
const first = build();
const second = build();

console.log("\nThe second time:");
for (const { name, status, cache } of second.steps)
  console.log(`  ${status === "hit" ? `CACHED (${cache})` : status.toUpperCase()}  ${name}`);
console.log(
  `\nFirst build ${(first.ms / 1000).toFixed(2)} s, cached build ${(second.ms / 1000).toFixed(2)} s, from process start to exit.`,
);
const ran = second.steps.filter((step) => step.status === "run" || step.status === "failed");
if (ran.length > 0) {
  console.error(`These steps should have been cached: ${ran.map((step) => step.name).join(", ")}`);
  process.exit(1);
}
console.log(`The image is in ${basename(OUT)}/node-service.tar: skopeo inspect oci-archive:demo-out/node-service.tar`);
