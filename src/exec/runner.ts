import { join, resolve } from "node:path";
import { throwIfAborted, toVarveError, VarveError } from "../core/index.ts";
import { Root } from "../linux/index.ts";
import { leavesCgroupsAlone } from "./cgroup/cgroup.ts";
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

/** What a runner needs to know of the machine, found out once. */
interface Machine {
  readonly runtime: Runtime;
  readonly tools: LaunchTools;
  readonly layout: CgroupLayout;
  /** Mounts to take away in the cage before the runtime looks. */
  readonly hidden: readonly string[];
  readonly seccomp: boolean;
  readonly filters: FilterCache;
  readonly workspace: Workspace;
}

/** Prepares to run steps; throws `unsupported` with a hint if the machine has no runtime. Dispose of it at the end. */
export async function createRunner(options: RunnerOptions): Promise<Runner> {
  const runtime = options.runtime ?? (await findRuntime());
  const tools = await findTools();
  const layout = readCgroupLayout();
  const hidden = hiddenMounts(layout, runtime);
  const stateDir = resolve(options.stateDir);
  const workspace = await Workspace.open(stateDir);
  const filters = new FilterCache(stateDir, runtime);
  return new BundleRunner({ runtime, tools, layout, hidden, seccomp: hasSeccomp(), filters, workspace });
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

interface CageParts {
  readonly secretDirectory: string | undefined;
  /** What the first process enters its control groups by. */
  readonly groups: readonly string[];
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
      throw toVarveError(firstOf(error), "run a step");
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
    const secretDirectory = await secretsDirectory(directory.path, spec);
    const context = { ...this.#machine, spec, root, directory, secretDirectory, cleanup };
    const cgroup = await openStepCgroup(context);
    const logFile = join(directory.path, "log.json");
    await using cage = launch(this.#plan(directory, logFile, { secretDirectory, groups: cgroup.entrances() }));
    const prepared = await prepareStep(context, cgroup);
    const first = await cage.ready();
    if (secretDirectory !== undefined) await writeSecrets(`/proc/${first}/root${secretDirectory}`, prepared.secrets);
    const exit = exitOf(await this.#conduct(context, cage, prepared, signal));
    const problem = exit.exitCode === 0 ? undefined : await runtimeError(logFile);
    if (problem !== undefined) throw startError(problem, spec.process.args);
    return { ...exit, oomKilled: (await cgroup.oomKills()) > 0 };
  }

  #plan(directory: StepDirectory, logFile: string, { secretDirectory, groups }: CageParts): LaunchPlan {
    const { runtime, tools, layout, hidden } = this.#machine;
    const parameters: string[] = [];
    const prepare: string[] = [];
    const doTo = (path: string, command: (parameter: string) => string): void => {
      prepare.push(command(`"\${${parameters.push(path)}}"`));
    };
    for (const path of hidden) doTo(path, (it) => `umount -l ${it}`);
    if (secretDirectory !== undefined)
      doTo(secretDirectory, (it) => `mount -t tmpfs -o nosuid,nodev,mode=0711 tmpfs ${it}`);
    // Last: a limit on processes leaves room for the runtime alone.
    for (const path of groups) doTo(path, (it) => `echo 0 >${it}`);
    const command = [
      runtime.path,
      "--root",
      directory.runtimeState,
      "--log",
      // crun reads what stands before the first colon as the kind of log.
      runtime.name === "crun" ? `file:${logFile}` : logFile,
      "--log-format",
      "json",
      ...(leavesCgroupsAlone(layout, runtime.name) ? ["--cgroup-manager=disabled"] : []),
      "run",
      ...(runtime.name === "runc" ? ["--keep"] : []),
      "--bundle",
      directory.path,
      directory.id,
    ];
    return { tools, command, prepare, parameters, scratch: directory.path };
  }

  /** Starts the runtime and hands on its output until it ends. Abortion kills it, and does not wait for the listener. */
  async #conduct(
    { spec: { onOutput }, directory }: StepContext,
    cage: Launch,
    { uncompiled }: PreparedStep,
    signal: AbortSignal | undefined,
  ): Promise<LaunchEnd> {
    throwIfAborted(signal, "run a step");
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => {
      cage.kill();
      aborted.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    using compilation = this.#keepFilter(uncompiled, directory);
    try {
      cage.go();
      const pumps = [
        cage.stdout.pump((chunk) => onOutput?.(1, chunk)),
        cage.stderr.pump((chunk) => onOutput?.(2, chunk)),
      ];
      await Promise.race([Promise.all(pumps), aborted.promise]);
      const end = await Promise.race([cage.end(), aborted.promise]);
      if (end.code === 0) await compilation.finish();
      return end;
    } finally {
      signal?.removeEventListener("abort", abort);
    }
  }

  #keepFilter(
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

/** What went wrong first, where the cleaning up that followed went wrong too. */
function firstOf(error: unknown): unknown {
  return error instanceof SuppressedError ? firstOf(error.suppressed) : error;
}

/** The runtime is started elsewhere: what a spec names relatively starts at this process's working directory. */
function absolutePaths(spec: RunSpec): RunSpec {
  const mounts = spec.mounts?.map((mount): RunMount => {
    if (mount.kind === "bind") return { ...mount, source: resolve(mount.source) };
    return mount.kind === "ssh" ? { ...mount, socket: resolve(mount.socket) } : mount;
  });
  return { ...spec, rootfs: resolve(spec.rootfs), ...(mounts === undefined ? {} : { mounts }) };
}

function openRootfs(path: string): Root {
  try {
    return Root.open(path);
  } catch (error) {
    throw new VarveError("not-found", `Cannot run a step in ${path}: not a directory`, { cause: error });
  }
}
