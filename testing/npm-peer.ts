import { type ChildProcess, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const CACHE = fileURLToPath(new URL("../.cache/npm-peers/", import.meta.url));
const QUIETLY = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1"];

/**
 * A program of the npm registry that tests run as a server, installed once into the checkout's `.cache`: it is no dependency of the
 * package and is not loaded into the tests. Returns the folder with its `node_modules`, or undefined if it cannot be had.
 */
export function npmPeer(name: string, version: string): string | undefined {
  const folder = join(CACHE, `${name}-${version}`);
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  const partial = mkdtempSync(`${folder}.partial-`);
  try {
    writeFileSync(join(partial, "package.json"), '{ "private": true }');
    const { status } = spawnSync("npm", ["install", ...QUIETLY, `${name}@${version}`], {
      cwd: partial,
      stdio: "ignore",
    });
    if (status === 0) renameSync(partial, folder);
  } catch {
    // Another process has installed it meanwhile.
  } finally {
    rmSync(partial, { recursive: true, force: true });
  }
  return existsSync(folder) ? folder : undefined;
}

/** Milliseconds that a server may take to start. */
const START_MS = 60_000;

/** Returns the first group of the first line of a server's output that matches: its address. Rejects if the server ends, or takes long. */
export async function addressOf(name: string, child: ChildProcess, pattern: RegExp): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const timer = setTimeout(() => reject(new Error(`${name} does not start`)), START_MS);
  if (child.stdout === null) throw new Error(`${name} has no standard output`);
  createInterface({ input: child.stdout }).on("line", (line) => {
    const address = pattern.exec(line)?.[1];
    if (address !== undefined) resolve(address);
  });
  child.once("exit", () => reject(new Error(`${name} ended`)));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
