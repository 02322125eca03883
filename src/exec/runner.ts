import { join, resolve } from "node:path";
import { throwIfAborted, toVarveError, VarveError } from "../core/index.ts";
import { Root } from "../linux/index.ts";
import { disablesCgroupManager } from "./cgroup/cgroup.ts";
import { type CgroupLayout, readCgroupLayout } from "./cgroup/layout.ts";
import { FilterCache } from "./bundle/filter-cache.ts";
import { findProgram, findRuntime } from "./find.ts";
import { launch, type Launch, type LaunchEnd, type LaunchPlan, type LaunchTools } from "./launch.ts";
import { exitOf, runtimeError, startError } from "./outcome.ts";
import {
  openStepCgroup,
  type PreparedStep,
  prepareStep,
  secretsDirectory,
  type StepContext,
} from "./bundle/prepare.ts";
import { hasSeccomp, type SeccompProfile } from "./bundle/seccomp.ts";
import { writeSecrets } from "./mounts/step-mounts.ts";
import type { RunMount, RunnerOptions, RunOptions, RunResult, RunSpec, Runner, Runtime } from "./types.ts";
import { type StepDirectory, Workspace } from "./workspace.ts";

/** What a runner knows about the machine. It is determined once, when the runner is created. */
interface Machine {
  readonly runtime: Runtime;
  readonly tools: LaunchTools;
  readonly layout: CgroupLayout;
  /** Mount points to unmount in the step's mount namespace before the runtime starts. */
  readonly hiddenMounts: readonly string[];
  readonly seccomp: boolean;
  readonly filters: FilterCache;
  readonly workspace: Workspace;
}

/**
 * Finds an OCI runtime and opens a state directory for steps. The caller disposes of the runner.
 *
 * @throws {VarveError} `unsupported`, with a hint, if the machine has no runtime or lacks `setpriv`, `unshare` or `sh`.
 * @example
 * await using runner = await createRunner({ stateDir: "/var/lib/varve/run" });
 * const { exitCode } = await runner.run({
 *   rootfs: "/srv/rootfs",
 *   process: { args: ["sh", "-c", "make"], env: ["PATH=/usr/bin:/bin"], cwd: "/src", user: "" },
 * });
 */
export async function createRunner(options: RunnerOptions): Promise<Runner> {
  const runtime = options.runtime ?? (await findRuntime());
  const tools = await findTools();
  const layout = readCgroupLayout();
  const hiddenMounts = mountsToHide(layout, runtime);
  const stateDir = resolve(options.stateDir);
  const workspace = await Workspace.open(stateDir);
  const filters = new FilterCache(stateDir, runtime);
  return new BundleRunner({ runtime, tools, layout, hiddenMounts, seccomp: hasSeccomp(), filters, workspace });
}

async function findTools(): Promise<LaunchTools> {
  const [setpriv, unshare, shell] = await Promise.all(["setpriv", "unshare", "sh"].map((name) => findProgram(name)));
  if (setpriv !== undefined && unshare !== undefined && shell !== undefined) return { setpriv, unshare, shell };
  throw new VarveError("unsupported", "Cannot run steps: setpriv, unshare or sh is not installed", {
    hint: "apt-get install util-linux",
  });
}

/** crun fails on a machine with version 1 hierarchies if the version 2 hierarchy has controllers too. */
function mountsToHide(layout: CgroupLayout, { name }: Runtime): string[] {
  if (layout.kind !== "hybrid" || name !== "crun") return [];
  return layout.hierarchies
    .filter((hierarchy) => hierarchy.version === 2 && hierarchy.controllers.length > 0)
    .map((hierarchy) => hierarchy.mountPoint);
}

interface LaunchMounts {
  readonly secretDirectory: string | undefined;
  /** Files of control groups. The first process writes "0" to each to enter the group. */
  readonly groupFiles: readonly string[];
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
      return await this.#run(absolutePaths(spec), signal);
    } catch (error) {
      throwIfAborted(signal, "run a step");
      throw toVarveError(firstError(error), "run a step");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#machine.workspace[Symbol.asyncDispose]();
  }

  async #run(spec: RunSpec, signal: AbortSignal | undefined): Promise<RunResult> {
    // Disposed of in reverse order: first the processes, then what they used.
    await using directory = await this.#machine.workspace.step();
    using root = openRootfs(spec.rootfs);
    await using cleanup = new AsyncDisposableStack();
    const secretDirectory = await secretsDirectory(directory.path, spec);
    const context = { ...this.#machine, spec, root, directory, secretDirectory, cleanup };
    const cgroup = await openStepCgroup(context);
    const logFile = join(directory.path, "log.json");
    await using launched = launch(this.#plan(directory, logFile, { secretDirectory, groupFiles: cgroup.enter() }));
    const prepared = await prepareStep(context, cgroup);
    const first = await launched.ready();
    if (secretDirectory !== undefined) await writeSecrets(`/proc/${first}/root${secretDirectory}`, prepared.secrets);
    const exit = exitOf(await this.#forwardOutput(context, launched, prepared, signal));
    const problem = exit.exitCode === 0 ? undefined : await runtimeError(logFile);
    if (problem !== undefined) throw startError(problem, spec.process.args);
    return { ...exit, oomKilled: (await cgroup.oomKills()) > 0 };
  }

  #plan(directory: StepDirectory, logFile: string, { secretDirectory, groupFiles }: LaunchMounts): LaunchPlan {
    const { runtime, tools, layout, hiddenMounts } = this.#machine;
    const parameters: string[] = [];
    const prepare: string[] = [];
    const addCommand = (path: string, command: (parameter: string) => string): void => {
      prepare.push(command(`"\${${parameters.push(path)}}"`));
    };
    for (const path of hiddenMounts) addCommand(path, (parameter) => `umount -l ${parameter}`);
    if (secretDirectory !== undefined)
      addCommand(secretDirectory, (parameter) => `mount -t tmpfs -o nosuid,nodev,mode=0711 tmpfs ${parameter}`);
    // These come last: a limit on processes allows for the runtime, but not for umount and mount.
    for (const path of groupFiles) addCommand(path, (parameter) => `echo 0 >${parameter}`);
    const command = [
      runtime.path,
      "--root",
      directory.runtimeState,
      "--log",
      // crun reads the text before the first colon as the kind of log.
      runtime.name === "crun" ? `file:${logFile}` : logFile,
      "--log-format",
      "json",
      ...(disablesCgroupManager(layout, runtime.name) ? ["--cgroup-manager=disabled"] : []),
      "run",
      ...(runtime.name === "runc" ? ["--keep"] : []),
      "--bundle",
      directory.path,
      directory.id,
    ];
    return { tools, command, prepare, parameters, scratch: directory.path };
  }

  /** Starts the runtime and forwards its output until it ends. On abort, kills it without waiting for the listener. */
  async #forwardOutput(
    { spec: { onOutput }, directory }: StepContext,
    launched: Launch,
    { uncompiled }: PreparedStep,
    signal: AbortSignal | undefined,
  ): Promise<LaunchEnd> {
    throwIfAborted(signal, "run a step");
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => {
      launched.kill();
      aborted.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    using compilation = this.#cacheFilter(uncompiled, directory);
    try {
      launched.go();
      const pumps = [
        launched.stdout.pump((chunk) => onOutput?.(1, chunk)),
        launched.stderr.pump((chunk) => onOutput?.(2, chunk)),
      ];
      await Promise.race([Promise.all(pumps), aborted.promise]);
      const end = await Promise.race([launched.end(), aborted.promise]);
      if (end.code === 0) await compilation.finish();
      return end;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  #cacheFilter(
    profile: SeccompProfile | undefined,
    { id, path, runtimeState }: StepDirectory,
  ): Disposable & { finish(): Promise<void> } {
    const stop = new AbortController();
    const { filters } = this.#machine;
    const source = join(runtimeState, id, "seccomp.bpf");
    const compilation =
      profile === undefined ? undefined : filters.compilation(profile, source, join(path, "seccomp.bpf"));
    const watched = compilation?.watch(stop.signal);
    return {
      finish: async () => {
        stop.abort();
        await watched;
        await compilation?.finish();
      },
      [Symbol.dispose]: () => stop.abort(),
    };
  }
}

/** Returns the first error, where cleaning up after it failed too. */
function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

/** Resolves relative paths at this process's working directory, because the runtime starts in another one. */
function absolutePaths(spec: RunSpec): RunSpec {
  const mounts = spec.mounts?.map((mount): RunMount => {
    if (mount.kind === "bind") return { ...mount, source: resolve(mount.source) };
    return mount.kind === "ssh" ? { ...mount, socket: resolve(mount.socket) } : mount;
  });
  return { ...spec, rootfs: resolve(spec.rootfs), mounts };
}

function openRootfs(path: string): Root {
  try {
    return Root.open(path);
  } catch (error) {
    throw new VarveError("not-found", `Cannot run a step in ${path}: not a directory`, { cause: error });
  }
}
