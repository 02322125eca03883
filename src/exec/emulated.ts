import { closeSync, constants, fstatSync, readSync } from "node:fs";
import { posix } from "node:path";
import { VarveError, errnoOf, formatPlatform } from "../core/index.ts";
import {
  ELF_HEADER,
  type Emulation,
  type MissingEmulator,
  type Support,
  architectureOf,
  machineEmulation,
} from "../emulation/index.ts";
import type { Root } from "../linux/index.ts";
import { isWithin } from "./mounts/target.ts";
import { searchPath } from "./process-environment.ts";
import type { ProcessSpec, RunSpec } from "./types.ts";

/** How the programs of a step run. */
export type StepEmulation =
  | { readonly kind: "none" }
  /** In the user namespace of this path, which has emulators. */
  | { readonly kind: "namespace"; readonly path: string }
  /** By this emulator of the machine. */
  | { readonly kind: "wrapper"; readonly path: string }
  /** As if they were of this machine: nobody knows what they are. `problem` is the reason if the kernel cannot run them. */
  | { readonly kind: "unknown"; readonly problem: VarveError };

/** Where a step finds its emulator: as in BuildKit. */
const WRAPPER = "/dev/.buildkit_qemu_emulator";
/** Bytes of the first line of a script that the kernel reads. */
const SCRIPT_LINE = 256;

/**
 * Finds out how the programs of a step run.
 *
 * @throws {VarveError} `unsupported`, with a command that helps, if the step's first program needs an emulator, and there is none.
 */
export async function emulationOf(
  spec: RunSpec,
  root: Root,
  machine: Emulation = machineEmulation(),
): Promise<StepEmulation> {
  const { platform } = spec;
  if (platform === undefined) return { kind: "none" };
  const support = await machine.supportOf(platform);
  switch (support.kind) {
    case "direct":
      return { kind: "none" };
    case "namespace":
    case "wrapper":
      return support;
    case "inside":
      return isExecutable(root, support.interpreter)
        ? { kind: "none" }
        : await withoutEmulator(spec, root, { ...support, machine });
    case "missing":
      return await withoutEmulator(spec, root, { ...support, machine });
  }
}

/** Why there is no emulator, and what else runs on the machine. */
type Without = MissingEmulator & { readonly machine: Emulation };

/** An image of another platform may have programs for this one, of which BuildKit runs any. */
async function withoutEmulator(spec: RunSpec, root: Root, { machine, ...missing }: Without): Promise<StepEmulation> {
  const problem = missingEmulator(spec, missing);
  const found = programArchitecture(spec, root);
  if (found === undefined) return { kind: "unknown", problem };
  const own: Support = await machine.supportOf({ os: "linux", architecture: found });
  if (own.kind === "missing" || own.kind === "inside") throw problem;
  return own.kind === "direct" ? { kind: "none" } : own;
}

function missingEmulator({ platform, process: { args } }: RunSpec, { why, fix }: MissingEmulator): VarveError {
  const of = platform === undefined ? "" : ` for ${formatPlatform(platform)}`;
  return new VarveError("unsupported", `Cannot run ${JSON.stringify(args.join(" "))}${of}: ${why}`, {
    hint: `To fix: ${fix}. Steps of stages that are FROM --platform=$BUILDPLATFORM need no emulator.`,
  });
}

/** Adds what a step needs to run by an emulator that is started with the program. */
export function withWrapper(spec: RunSpec, emulation: StepEmulation): RunSpec {
  if (emulation.kind !== "wrapper") return spec;
  const mount = { kind: "bind", source: emulation.path, target: WRAPPER, readonly: true } as const;
  return { ...spec, mounts: [...(spec.mounts ?? []), mount], process: wrapped(spec.process, emulation) };
}

/** Returns a process as the emulation runs it. */
export function wrapped(process: ProcessSpec, { kind }: StepEmulation): ProcessSpec {
  return kind === "wrapper" ? { ...process, args: [WRAPPER, ...process.args] } : process;
}

/** Returns for which architecture the program of a step is; undefined if that is not to be seen, as for what a mount covers. */
function programArchitecture({ process: { args, env }, mounts = [] }: RunSpec, root: Root): string | undefined {
  const [name = ""] = args;
  const directories = searchPath(env) ?? [""];
  const candidates = name.includes("/") ? [name] : directories.map((directory) => posix.join(directory, name));
  const file = candidates.find((candidate) => isExecutable(root, candidate));
  if (file === undefined || mounts.some(({ target }) => isWithin(posix.join("/", file), posix.join("/", target))))
    return undefined;
  const start = readStart(root, file);
  const interpreter = /^#![ \t]*([^\s\0]+)/.exec(start.toString("latin1"))?.[1];
  return architectureOf(interpreter === undefined ? start : readStart(root, interpreter))?.name;
}

function isExecutable(root: Root, path: string): boolean {
  try {
    using found = root.find(path);
    if (found === undefined) return false;
    const status = fstatSync(found.fd);
    return status.isFile() && (status.mode & 0o111) !== 0;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

/** Returns the first bytes of a regular file; none if it cannot be read. */
function readStart(root: Root, path: string): Buffer {
  if (!isExecutable(root, path)) return Buffer.alloc(0);
  const descriptor = root.openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const start = Buffer.alloc(Math.max(SCRIPT_LINE, ELF_HEADER));
    return start.subarray(0, readSync(descriptor, start));
  } finally {
    closeSync(descriptor);
  }
}
