import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { VarveError, formatPlatform, hostPlatform, isVarveError, toVarveError } from "../core/index.ts";
import { type Emulation, machineEmulation } from "../emulation/index.ts";
import {
  type ExecFacts,
  type ProcessSpec,
  type RunMount,
  type RunResult,
  createChrootRunner,
  createRunner,
} from "../exec/index.ts";
import type { StepIsolation } from "../isolation/index.ts";
import { findProgram, ownIdMaps } from "../linux/index.ts";
import { type Fact, limited, missing, ok } from "./fact.ts";
import { installCommand } from "./install-command.ts";
import type { ProbeDirectory } from "./probe-directory.ts";

const run = promisify(execFile);
const NO_STEPS = "RUN steps cannot run";

export async function runtimeFact({ runtimes, missingPrograms }: ExecFacts, isolation: StepIsolation): Promise<Fact> {
  const [runtime] = runtimes;
  const name = "OCI runtime";
  if (isolation === "chroot") return ok(name, "not needed");
  if (runtime === undefined) return missing(name, "none", { consequence: NO_STEPS, fix: await installCommand("crun") });
  const value = `${runtime.name} ${runtime.version} (${runtime.path})`;
  if (missingPrograms.length === 0) return ok(name, value, true);
  const without = `${value}, without ${missingPrograms.join(", ")}`;
  return missing(name, without, { consequence: NO_STEPS, fix: await installCommand("util-linux") });
}

/** Runs a step that does nothing, as a build would. */
export async function stepFact(probe: ProbeDirectory, isolation: StepIsolation, signal?: AbortSignal): Promise<Fact> {
  if (probe.state === "refused") return missing("RUN", "not tried: the root is not writable", {});
  const started = performance.now();
  try {
    const { exitCode, signal: killedBy } = await TRIALS[isolation](probe.path, signal);
    const took = `a step ran in ${(performance.now() - started).toFixed(0)} ms`;
    if (exitCode === 0) return ok("RUN", took, true);
    return missing("RUN", `a step ended with ${killedBy ?? `exit code ${exitCode}`}`, { consequence: NO_STEPS });
  } catch (error) {
    signal?.throwIfAborted();
    const { message, hint } = toVarveError(error, "run a step");
    return missing("RUN", message, { consequence: NO_STEPS, fix: hint });
  }
}

/** Where a machine has its programs and libraries, the stores of Nix and Guix included. */
const SYSTEM = ["/bin", "/lib", "/lib32", "/lib64", "/usr", "/nix", "/gnu"];
const DEADLINE = 20_000;

/** Runs the machine's own `true`. It is copied into the root filesystem, so that the step fails if that is mounted noexec. */
async function runTrue(directory: string, signal: AbortSignal | undefined): Promise<RunResult> {
  const rootfs = await rootOfTrue(directory);
  const mounts = SYSTEM.filter((path) => existsSync(path)).map((path): RunMount => ({
    kind: "bind",
    source: path,
    target: path,
    readonly: true,
  }));
  await using runner = await createRunner({ stateDir: join(directory, "run") });
  return await runner.run({ rootfs, mounts, network: "none", process: TRUE }, { signal: withDeadline(signal) });
}

/** Without mounts, the program has its libraries only if it needs none. That it cannot be loaded shows that all before has worked. */
async function runAlone(directory: string, signal: AbortSignal | undefined): Promise<RunResult> {
  const rootfs = await rootOfTrue(directory);
  await using runner = await createChrootRunner({ stateDir: join(directory, "run") });
  try {
    return await runner.run({ rootfs, process: TRUE }, { signal: withDeadline(signal) });
  } catch (error) {
    if (isVarveError(error, "step-failed") && error.details.exitCode === 127) return { exitCode: 0, oomKilled: false };
    throw error;
  }
}

const TRUE: ProcessSpec = { args: ["/true"], env: [], cwd: "/", user: "" };
const TRIALS = { namespaces: runTrue, chroot: runAlone } as const;

async function rootOfTrue(directory: string): Promise<string> {
  const rootfs = join(directory, "rootfs");
  const program = await findProgram("true");
  if (program === undefined)
    throw new VarveError("unsupported", 'Cannot run a step: this machine has no program "true"');
  await mkdir(rootfs, { mode: 0o755 });
  await copyFile(program, join(rootfs, "true"));
  return rootfs;
}

function withDeadline(signal: AbortSignal | undefined): AbortSignal {
  const deadline = AbortSignal.timeout(DEADLINE);
  return signal === undefined ? deadline : AbortSignal.any([signal, deadline]);
}

/** The platforms whose steps run here: natively, or by an emulator. */
export async function platformsFact(emulation: Emulation = machineEmulation()): Promise<Fact> {
  const platforms = await emulation.platforms();
  const value = platforms.map((platform) => formatPlatform(platform)).join(", ");
  const support = await emulation.supportOf(hostPlatform().architecture === "arm64" ? AMD64 : ARM64);
  if (support.kind !== "missing" && support.kind !== "inside") return ok("platforms", value);
  return limited("platforms", value, {
    consequence: `RUN steps of others cannot run: ${support.why}`,
    fix: support.fix,
  });
}

const ARM64 = { os: "linux", architecture: "arm64" } as const;
const AMD64 = { os: "linux", architecture: "amd64" } as const;

export function cgroupFact({ cgroups, controllers }: ExecFacts): Fact {
  if (cgroups !== "none") return ok("control groups", `${cgroups} (${controllers.join(", ") || "no controllers"})`);
  if (ownIdMaps() !== undefined)
    return limited("control groups", "none delegated", {
      consequence: "RUN steps have no limits of memory, processors and processes",
      fix: "systemd-run --user --scope -p Delegate=yes varve …",
    });
  return limited("control groups", "none", { consequence: "RUN steps have no resource limits and may access devices" });
}

export function seccompFact({ seccomp }: ExecFacts): Fact {
  if (seccomp) return ok("seccomp", "yes");
  return limited("seccomp", "no", { consequence: "RUN steps may call every system call" });
}

interface Tool {
  readonly program: string;
  readonly debian?: string | undefined;
  readonly consequence: string;
}

const TOOLS: readonly Tool[] = [
  { program: "git", consequence: "git repositories cannot be build contexts or sources of ADD" },
  { program: "xz", debian: "xz-utils", consequence: "ADD cannot unpack .tar.xz" },
  { program: "bzip2", consequence: "ADD cannot unpack .tar.bz2" },
];

export async function toolFacts(): Promise<Fact[]> {
  return await Promise.all(TOOLS.map(toolFact));
}

async function toolFact({ program, debian, consequence }: Tool): Promise<Fact> {
  const path = await findProgram(program);
  if (path === undefined) return limited(program, "none", { consequence, fix: await installCommand(program, debian) });
  return ok(program, await versionOf(path));
}

async function versionOf(path: string): Promise<string> {
  try {
    const running = run(path, ["--version"], { timeout: 10_000, maxBuffer: 65_536 });
    // Some versions of bzip2 then compress their input.
    running.child.stdin?.end();
    const { stdout, stderr } = await running;
    return /\d+(?:\.\d+)+/.exec(`${stdout}\n${stderr}`)?.[0] ?? path;
  } catch {
    return path;
  }
}
