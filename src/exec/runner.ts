import { existsSync, writeFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { throwIfAborted, toVarveError, VarveError } from "../core/index.ts";
import { Root } from "../linux/index.ts";
import { disablesCgroupManager } from "./cgroup/cgroup.ts";
import { type CgroupLayout, readCgroupLayout } from "./cgroup/layout.ts";
import { FilterCache } from "./bundle/filter-cache.ts";
import { findProgram, findRuntime } from "./find.ts";
import { type Launch, type LaunchEnd, namespaceError } from "./launch.ts";
import { type LaunchPlan, type LaunchTools, launchScript } from "./launch-script.ts";
import { Launchers } from "./launchers.ts";
import { type Exit, exitOf, runtimeError, startError } from "./outcome.ts";
import {
  openStepCgroup,
  type PreparedStep,
  prepareStep,
  secretsDirectory,
  type StepContext,
} from "./bundle/prepare.ts";
import { hasSeccomp, type SeccompProfile } from "./bundle/seccomp.ts";
import { writeSecrets } from "./mounts/step-mounts.ts";
import type {
  RunMount,
  RunnerOptions,
  RunOptions,
  RunResult,
  RunSpec,
  Runner,
  Runtime,
  StepDefaults,
} from "./types.ts";
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
  readonly launchers: Launchers;
  readonly defaults: StepDefaults;
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
  await using stack = new AsyncDisposableStack();
  const tools = await findTools();
  const stateDir = resolve(options.stateDir);
  const workspace = stack.use(await Workspace.open(stateDir));
  const launchers = stack.use(new Launchers(tools, workspace.path));
  launchers.prepare();
  const runtime = options.runtime ?? (await findRuntime());
  const layout = readCgroupLayout();
  const hiddenMounts = mountsToHide(layout, runtime);
  const filters = new FilterCache(stateDir, runtime);
  const seccomp = hasSeccomp();
  const { defaults = {} } = options;
  const parts = stack.move();
  return new BundleRunner(
    { runtime, tools, layout, hiddenMounts, seccomp, filters, workspace, launchers, defaults },
    parts,
  );
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

const SCRIPT = "launch.sh";

interface Started {
  readonly context: StepContext;
  readonly launched: Launch;
  readonly prepared: PreparedStep;
  /** The launcher's name of the step's script. */
  readonly script: string;
}

class BundleRunner implements Runner {
  readonly runtime: Runtime;
  readonly #machine: Machine;
  readonly #parts: AsyncDisposable;

  /** Disposes of `parts` at its end. */
  constructor(machine: Machine, parts: AsyncDisposable) {
    this.runtime = machine.runtime;
    this.#machine = machine;
    this.#parts = parts;
  }

  async run(spec: RunSpec, { signal }: RunOptions = {}): Promise<RunResult> {
    throwIfAborted(signal, "run a step");
    try {
      return await this.#run(absolutePaths({ ...this.#machine.defaults, ...spec }), signal);
    } catch (error) {
      throwIfAborted(signal, "run a step");
      throw toVarveError(firstError(error), "run a step");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }

  async #run(spec: RunSpec, signal: AbortSignal | undefined): Promise<RunResult> {
    // Disposed of in reverse order: first the processes, then what they used.
    using directory = this.#machine.workspace.step();
    using root = openRootfs(spec.rootfs);
    await using cleanup = new AsyncDisposableStack();
    const secretDirectory = secretsDirectory(directory.path, spec);
    const context = { ...this.#machine, spec, root, directory, secretDirectory, cleanup };
    const cgroup = await openStepCgroup(context);
    const logFile = join(directory.path, "log.json");
    await using launched = await this.#machine.launchers.take({ input: spec.stdin !== undefined });
    const script = join(directory.path, SCRIPT);
    writeFileSync(script, launchScript(this.#plan(context, logFile, cgroup.enter())), { mode: 0o600 });
    const prepared = await prepareStep(context, cgroup);
    const first = await launched.ready();
    const name = relative(this.#machine.workspace.path, script);
    if (secretDirectory !== undefined) {
      await launched.enter(name);
      await writeSecrets(`/proc/${first}/root${secretDirectory}`, prepared.secrets);
    }
    const exit = exitOf(await this.#forwardOutput({ context, launched, prepared, script: name }, signal));
    if (exit.exitCode !== 0) await checkStarted(launched, exit, logFile, spec);
    return { ...exit, oomKilled: cgroup.oomKills() > 0 };
  }

  #plan({ directory, secretDirectory }: StepContext, logFile: string, groupFiles: readonly string[]): LaunchPlan {
    const { runtime, tools, layout, hiddenMounts } = this.#machine;
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
    return { tools, command, scratch: directory.path, hiddenMounts, secretDirectory, groupFiles };
  }

  /** Starts the runtime and forwards its output until it ends. On abort, kills it without waiting for the listener. */
  async #forwardOutput({ context, launched, prepared, script }: Started, signal?: AbortSignal): Promise<LaunchEnd> {
    const { onOutput, stdin } = context.spec;
    throwIfAborted(signal, "run a step");
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => {
      launched.kill();
      aborted.reject(signal?.reason);
    };
    signal?.addEventListener("abort", abort, { once: true });
    using compilation = this.#cacheFilter(prepared.uncompiled, context.directory);
    try {
      launched.go(script);
      if (stdin !== undefined) launched.stdin?.feed(stdin);
      const pumps = [
        launched.stdout.pump((chunk) => onOutput?.(1, chunk)),
        launched.stderr.pump((chunk) => onOutput?.(2, chunk)),
      ];
      this.#machine.launchers.prepare();
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

/** Throws if a runtime that has failed, or what comes before it, could not start the step's process. */
async function checkStarted(
  { problem: reason }: Launch,
  { exitCode }: Exit,
  logFile: string,
  { process: { args } }: RunSpec,
): Promise<void> {
  if (reason !== "") throw namespaceError(reason);
  // Every runtime creates its log first.
  if (exitCode === 1 && !existsSync(logFile)) throw namespaceError("the mount namespace of the step");
  const problem = await runtimeError(logFile);
  if (problem !== undefined) throw startError(problem, args);
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
