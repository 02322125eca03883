import { execFile } from "node:child_process";
import { isAbsolute } from "node:path";
import { promisify } from "node:util";
import { VarveError } from "../core/index.ts";
import { findProgram } from "../linux/index.ts";
import type { Runtime, RuntimeName } from "./types.ts";

const run = promisify(execFile);
/** In order of preference: crun starts a step in a third of the time that runc takes. */
const NAMES: readonly RuntimeName[] = ["crun", "runc"];
/**
 * Returns the first installed runtime of `names`, with its version.
 * @throws {VarveError} `unsupported`, with a hint, if none is installed or the one found does not run.
 */
export async function findRuntime(names: readonly RuntimeName[] = NAMES): Promise<Runtime> {
  for (const name of names) {
    const path = await findProgram(name);
    if (path !== undefined) return { name, path, version: await versionOf(name, path) };
  }
  throw new VarveError("unsupported", `Cannot run steps: no OCI runtime (${names.join(", ")}) is installed`, {
    hint: `apt-get install ${names[0] ?? "crun"}`,
  });
}

/**
 * Returns the runtime that a program is, by its path or its name in `PATH`.
 * @throws {VarveError} `unsupported` if there is no such program, or it is none of the runtimes that are known
 */
export async function runtimeAt(program: string): Promise<Runtime> {
  const path = isAbsolute(program) ? program : await findProgram(program);
  if (path === undefined) throw new VarveError("unsupported", `Cannot run steps: ${program} is not installed`);
  const printed = await printedVersion(path);
  const name = NAMES.find((each) => printed.startsWith(`${each} version `));
  if (name === undefined)
    throw new VarveError("unsupported", `Cannot run steps: ${path} is none of ${NAMES.join(", ")}`);
  return { name, path, version: versionIn(printed) };
}

async function versionOf(name: RuntimeName, path: string): Promise<string> {
  return versionIn(await printedVersion(path, `apt-get install --reinstall ${name}`));
}

function versionIn(printed: string): string {
  return /version (\S+)/.exec(printed)?.[1] ?? "unknown";
}

async function printedVersion(path: string, hint?: string): Promise<string> {
  try {
    return (await run(path, ["--version"], { timeout: 10_000, maxBuffer: 65_536 })).stdout;
  } catch (error) {
    throw new VarveError("unsupported", `Cannot run steps: ${path} --version failed`, { cause: error, hint });
  }
}

/**
 * Returns the path of nsenter. `doing` is what needs it: `start a process in a step`.
 * @throws {VarveError} `unsupported`, with a hint, if it is not installed.
 */
export async function requireNsenter(doing: string): Promise<string> {
  const path = await findProgram("nsenter");
  if (path !== undefined) return path;
  throw new VarveError("unsupported", `Cannot ${doing}: nsenter is not installed`, {
    hint: "apt-get install util-linux",
  });
}
