import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { throwIfAborted, toVarveError, VarveError } from "../core/index.ts";
import { Root, unmount } from "../linux/index.ts";
import { leavesCgroupsAlone } from "./cgroup.ts";
import { type CgroupLayout, readCgroupLayout } from "./cgroup-layout.ts";
import { findProgram, findRuntime } from "./find.ts";
import { launch, type Launch, type LaunchEnd, type LaunchPlan, type LaunchTools } from "./launch.ts";
import { exitOf, runtimeError, startError } from "./outcome.ts";
import { prepareStep, secretsDirectory } from "./prepare.ts";
import { writeSecrets } from "./step-mounts.ts";
import type { RunnerOptions, RunOptions, RunResult, RunSpec, Runner, Runtime } from "./types.ts";
import { type StepDirectory, Workspace } from "./workspace.ts";

/** What a runner needs to know of the machine, found out once. */
interface Machine {
  readonly runtime: Runtime;
  readonly tools: LaunchTools;
  readonly layout: CgroupLayout;
  /** Mounts to take away in the cage before the runtime looks. */
  readonly hidden: readonly string[];
  readonly seccomp: boolean;
  readonly workspace: Workspace;
}

/** Prepares to run steps; throws `unsupported` with a hint if the machine has no runtime. Dispose of it at the end. */
export async function createRunner(options: RunnerOptions): Promise<Runner> {
  const runtime = options.runtime ?? (await findRuntime());
  const tools = await findTools();
  const layout = readCgroupLayout();
  const hidden = await hideUnified(hiddenMounts(layout, runtime), options.privateMounts === true);
  const workspace = await Workspace.open(resolve(options.stateDir));
  return new BundleRunner({ runtime, tools, layout, hidden, seccomp: hasSeccomp(), workspace });
}

async function findTools(): Promise<LaunchTools> {
  const [setpriv, unshare, shell] = await Promise.all(["setpriv", "unshare", "sh"].map((name) => findProgram(name)));
  if (setpriv !== undefined && unshare !== undefined && shell !== undefined) return { setpriv, unshare, shell };
  throw new VarveError("unsupported", "Cannot run steps: setpriv, unshare or sh is not installed", {
    hint: "apt-get install util-linux",
  });
}

/** crun refuses a machine whose version 2 hierarchy has controllers beside version 1. */
function hiddenMounts(layout: CgroupLayout, { name }: Runtime): string[] {
  if (layout.kind !== "hybrid" || name !== "crun") return [];
  return layout.hierarchies
    .filter((hierarchy) => hierarchy.version === 2 && hierarchy.controllers.length > 0)
    .map((hierarchy) => hierarchy.mountPoint);
}

async function hideUnified(mountPoints: readonly string[], privateMounts: boolean): Promise<readonly string[]> {
  if (!privateMounts) return mountPoints;
  for (const mountPoint of mountPoints) await unmount(mountPoint, { detach: true });
  return [];
}

/** True if the kernel can filter system calls. */
export function hasSeccomp(): boolean {
  return /^Seccomp:/m.test(readFileSync("/proc/self/status", "utf8")) && existsSync("/proc/sys/kernel/seccomp");
}

class BundleRunner implements Runner {
  readonly runtime: Runtime;
  readonly #machine: Machine;

  constructor(machine: Machine) {
    this.runtime = machine.runtime;
    this.#machine = machine;
  }

  async run(spec: RunSpec, { signal }: RunOptions = {}): Promise<RunResult> {
    throwIfAborted(signal, "run a step");
    try {
      return await this.#run(spec, signal);
    } catch (error) {
      throwIfAborted(signal, "run a step");
      throw toVarveError(error, "run a step");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.workspace[Symbol.asyncDispose]();
  }

  async #run(spec: RunSpec, signal: AbortSignal | undefined): Promise<RunResult> {
    // Disposed of in reverse: first the processes, then what they used.
    await using directory = await this.#machine.workspace.step();
    using root = openRootfs(spec.rootfs);
    await using cleanup = new AsyncDisposableStack();
    const logFile = join(directory.path, "log.json");
    const secretDirectory = await secretsDirectory(directory.path, spec);
    await using cage = launch(this.#plan(directory, logFile, secretDirectory));
    const { layout, runtime, seccomp } = this.#machine;
    const prepared = await prepareStep({ spec, root, directory, secretDirectory, layout, runtime, seccomp, cleanup });
    const first = await cage.ready();
    if (secretDirectory !== undefined) await writeSecrets(`/proc/${first}/root${secretDirectory}`, prepared.secrets);
    await prepared.cgroup.enter(first);
    const exit = exitOf(await this.#conduct(spec, cage, signal));
    const problem = exit.exitCode === 0 ? undefined : await runtimeError(logFile);
    if (problem !== undefined) throw startError(problem, spec.process.args);
    return { ...exit, oomKilled: (await prepared.cgroup.oomKills()) > 0 };
  }

  #plan(directory: StepDirectory, logFile: string, secretDirectory: string | undefined): LaunchPlan {
    const { runtime, tools, layout, hidden, workspace } = this.#machine;
    const parameters = [...hidden];
    const prepare = hidden.map((_, index) => `umount -l "$${index + 1}"`);
    if (secretDirectory !== undefined) {
      parameters.push(secretDirectory);
      prepare.push(`mount -t tmpfs -o nosuid,nodev,mode=0711 tmpfs "$${parameters.length}"`);
    }
    const command = [
      runtime.path,
      "--root",
      workspace.runtimeState,
      "--log",
      logFile,
      "--log-format",
      "json",
      ...(leavesCgroupsAlone(layout, runtime.name) ? ["--cgroup-manager=disabled"] : []),
      "run",
      "--no-new-keyring",
      ...(runtime.name === "runc" ? ["--keep"] : []),
      "--bundle",
      directory.path,
      directory.id,
    ];
    return { tools, command, prepare, parameters };
  }

  /** Starts the runtime and hands on its output until it ends. Abortion kills it, and does not wait for the listener. */
  async #conduct({ onOutput }: RunSpec, cage: Launch, signal: AbortSignal | undefined): Promise<LaunchEnd> {
    throwIfAborted(signal, "run a step");
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => {
      cage.kill();
      aborted.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    try {
      cage.go();
      const pumps = [
        cage.stdout.pump((chunk) => onOutput?.(1, chunk)),
        cage.stderr.pump((chunk) => onOutput?.(2, chunk)),
      ];
      await Promise.race([Promise.all(pumps), aborted.promise]);
      return await Promise.race([cage.end(), aborted.promise]);
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }
}

function openRootfs(path: string): Root {
  try {
    return Root.open(resolve(path));
  } catch (error) {
    throw new VarveError("not-found", `Cannot run a step in ${path}: not a directory`, { cause: error });
  }
}
