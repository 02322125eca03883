import { resolve } from "node:path";
import { VarveError } from "../../core/index.ts";
import type { ProcessLimit } from "../../linux/index.ts";
import { capabilityNumbers, sandboxCapabilities } from "../bundle/capabilities.ts";
import { checkUlimits } from "../bundle/config.ts";
import { DEFAULT_HOSTNAME, checkHostname, generatedFiles } from "../bundle/files.ts";
import { checkProcess, makeSystemDirectories, makeWorkingDirectory } from "../bundle/prepare.ts";
import { type StepUser, userIn } from "../bundle/user.ts";
import { Launchers } from "../launchers.ts";
import { MountStubs } from "../mounts/stubs.ts";
import { withHome } from "../process-environment.ts";
import { absolutePaths, openRootfs, runToEnd, startOnly } from "../run-to-end.ts";
import type { Root } from "../../linux/index.ts";
import type { RunOptions, RunResult, RunSpec, Runner, RunnerOptions, RunningStep, StepDefaults } from "../types.ts";
import { type StepDirectory, Workspace } from "../workspace.ts";
import { DEVICES } from "./devices.ts";
import { checkPossible, warnOfMissing } from "./limits.ts";
import type { StepOrder } from "./order.ts";
import { missingForChroot } from "./possible.ts";
import { Placements } from "./placements.ts";
import { ChrootStep } from "./chroot-step.ts";
import { lockSources } from "./source-locks.ts";
import { generatedFile, movedSources, standInFor } from "./stand-ins.ts";
import { type Supervised, startSupervisor } from "./supervised.ts";

/** What a step never has, though Docker's containers do: it would be a way out of its root, and to the machine's devices. */
const WITHHELD: ReadonlySet<string> = new Set(["CAP_SYS_CHROOT", "CAP_MKNOD", "CAP_AUDIT_WRITE"]);

/**
 * Returns a runner for root in a container that may neither mount nor make namespaces. Steps are isolated from this process by a chroot and
 * fewer capabilities only; as root, also by Landlock where the kernel has it. The caller disposes of the runner.
 *
 * @throws {VarveError} `unsupported`, with a hint, if this process may not change its root or its user.
 * @example
 * await using runner = await createChrootRunner({ stateDir: "/var/lib/varve/run" });
 */
export async function createChrootRunner({ stateDir, defaults = {} }: RunnerOptions): Promise<Runner> {
  checkCapabilities();
  await using stack = new AsyncDisposableStack();
  const path = resolve(stateDir);
  const workspace = stack.use(await Workspace.open(path));
  const launchers = stack.use(new Launchers(startSupervisor));
  launchers.prepare();
  return new ChrootRunner({ stateDir: path, workspace, launchers, defaults }, stack.move());
}

function checkCapabilities(): void {
  const missing = missingForChroot();
  if (missing.length === 0) return;
  const names = missing.map((name) => name.toUpperCase()).join(", ");
  throw new VarveError("unsupported", `Cannot run steps in a chroot: this process lacks the capabilities ${names}`, {
    hint: "Run as root in a container with the default capabilities.",
  });
}

interface Machine {
  readonly stateDir: string;
  readonly workspace: Workspace;
  readonly launchers: Launchers<Supervised>;
  readonly defaults: StepDefaults;
}

class ChrootRunner implements Runner {
  readonly runtime = undefined;
  readonly #machine: Machine;
  readonly #parts: AsyncDisposable;

  /** Disposes of `parts` at its end. */
  constructor(machine: Machine, parts: AsyncDisposable) {
    this.#machine = machine;
    this.#parts = parts;
  }

  async run(spec: RunSpec, { signal }: RunOptions = {}): Promise<RunResult> {
    const started = (): void => this.#machine.launchers.prepare();
    return await runToEnd(() => this.#start(spec, signal), { signal, started });
  }

  async start(spec: RunSpec): Promise<RunningStep> {
    return await startOnly(() => this.#start(spec));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }

  async #start(given: RunSpec, signal?: AbortSignal): Promise<ChrootStep> {
    // Disposed of in reverse order: first the processes, then what was placed for them.
    await using stack = new AsyncDisposableStack();
    const { workspace, launchers, defaults } = this.#machine;
    checkPossible(given);
    const spec = absolutePaths({ ...defaults, ...given });
    warnOfMissing(spec);
    const directory = stack.use(workspace.step());
    const root = stack.use(openRootfs(spec.rootfs));
    checkProcess(spec.process);
    const limits = checkUlimits(spec.ulimits ?? []);
    const user = userIn(root, spec.process.user);
    await this.#furnish(spec, { root, directory, stack, signal });
    const cwd = makeWorkingDirectory(root, spec.process.cwd, user);
    const supervised = stack.use(await launchers.take(spec.stdin === undefined ? "empty" : "pipe"));
    supervised.go(orderFor(spec, { user, cwd, limits }));
    return new ChrootStep(supervised, spec, stack.move());
  }

  /** Places everything that the step finds in its tree. */
  async #furnish(spec: RunSpec, { root, directory, stack, signal }: Furnishing): Promise<void> {
    const hostname = checkHostname(spec.hostname ?? DEFAULT_HOSTNAME);
    const files = generatedFiles(hostname, spec, false).map(([target, text]) => generatedFile(target, text));
    const context = { directory: directory.path, cleanup: stack };
    const mounts = await Promise.all((spec.mounts ?? []).map((mount) => standInFor(mount, context)));
    const sources = movedSources(mounts, directory.path);
    stack.use(await lockSources(this.#machine.stateDir, sources, () => signal?.aborted === true));
    signal?.throwIfAborted();
    makeSystemDirectories(root);
    const stubs = stack.use(new MountStubs(root, spec.keepStubParents));
    const placements = stack.use(new Placements(root, spec.rootfs, stubs, directory.path));
    for (const standIn of [DEVICES, ...files, ...mounts]) await placements.place(standIn, signal);
  }
}

interface Furnishing {
  readonly root: Root;
  readonly directory: StepDirectory;
  readonly stack: AsyncDisposableStack;
  readonly signal: AbortSignal | undefined;
}

function orderFor(
  { rootfs, process: { args, env } }: RunSpec,
  { user, cwd, limits }: { readonly user: StepUser; readonly cwd: string; readonly limits: readonly ProcessLimit[] },
): StepOrder {
  const { uid, gid, groups, home } = user;
  return {
    rootfs,
    args,
    env: withHome(env, home),
    cwd,
    uid,
    gid,
    groups,
    capabilities: capabilityNumbers(sandboxCapabilities().filter((name) => !WITHHELD.has(name))),
    limits,
    // Others than root cannot signal Varve anyway, and may need programs that are set-user-id: sudo.
    confined: uid === 0,
  };
}
