import { VarveError, toVarveError } from "../../core/index.ts";
import type { JoiningProcess, RunningStep, StepProcess } from "../../exec/index.ts";
import { ProxyCapture } from "../../network/index.ts";
import type { ExecDeps } from "../ops/deps.ts";
import { type StepMounts, openMounts } from "../ops/exec-mounts.ts";
import { DEFAULT_PATH, secretEnvironment } from "../ops/step-environment.ts";
import { failedProcess } from "./failed-process.ts";
import type { Container, ContainerProcess, ContainerSpec, ProcessEnd, StartedProcess } from "./types.ts";

/** What containers of a build share. */
export interface ContainerDeps {
  readonly deps: ExecDeps;
  /** The entitlements of the build. */
  readonly allowed: ReadonlySet<string>;
}

/**
 * Mounts the filesystems of a container. Nothing runs yet. The caller releases it.
 *
 * @throws {VarveError} `invalid-build` for mounts that cannot be made.
 */
export async function openContainer(spec: ContainerSpec, shared: ContainerDeps): Promise<Container> {
  await using stack = new AsyncDisposableStack();
  const { deps } = shared;
  const { mounts: all, inputs } = spec;
  const description = `container ${spec.id}`;
  const mounts = await openMounts(all, "/", { deps, inputs, hold: deps.hold, stack, description });
  return new OpenContainer(spec, shared, mounts, stack.move());
}

/** Why no process may run any more. */
interface Ending {
  /** Told about processes that were killed. */
  readonly cause: string | undefined;
  /** What a process gets that is started afterwards. */
  readonly error: VarveError;
}

class OpenContainer implements Container {
  readonly spec: ContainerSpec;
  readonly #shared: ContainerDeps;
  readonly #mounts: StepMounts;
  readonly #stack: AsyncDisposableStack;
  readonly #running = new Set<Promise<ProcessEnd>>();
  #step: Promise<RunningStep> | undefined;
  #ending: Ending | undefined;
  #failure: VarveError | undefined;

  constructor(spec: ContainerSpec, shared: ContainerDeps, mounts: StepMounts, stack: AsyncDisposableStack) {
    this.spec = spec;
    this.#shared = shared;
    this.#mounts = mounts;
    this.#stack = stack;
  }

  tree(mount: number): string | undefined {
    return this.#mounts.trees.get(mount);
  }

  async start(given: ContainerProcess): Promise<StartedProcess> {
    const refusal = this.#refusal();
    if (refusal !== undefined) return refusal;
    const isFirst = this.#step === undefined;
    try {
      this.#checkAllowed(given);
      const started = isFirst ? await this.#run(given) : await this.#join(given);
      const ended = this.#watch(started, isFirst);
      this.#running.add(ended);
      void ended.then(() => this.#running.delete(ended));
      const { drained } = started;
      return {
        ended,
        drained,
        signal: (signal) => started.signal(signal),
        resize: (size) => started.resize(size),
      };
    } catch (error) {
      // The container has ended meanwhile.
      return this.#refusal() ?? failedProcess(this.#fail(toVarveError(error, "start a process")));
    }
  }

  async release(): Promise<VarveError | undefined> {
    this.#end({ cause: "context canceled", error: notRunning(this.spec.id) });
    await Promise.all(this.#running);
    await using _stack = this.#stack;
    await (await this.#step?.catch(() => undefined))?.[Symbol.asyncDispose]();
    return this.#failure;
  }

  /** Returns what is started in a container that has ended. */
  #refusal(): StartedProcess | undefined {
    return this.#ending && failedProcess(this.#ending.error);
  }

  /** Throws `invalid-build` if the build lacks an entitlement. */
  #checkAllowed({ security }: ContainerProcess): void {
    const { allowed } = this.#shared;
    const needed = [
      ...(this.spec.network === "host" ? ["network.host"] : []),
      ...(security === "insecure" ? ["security.insecure"] : []),
    ];
    const missing = needed.find((entitlement) => !allowed.has(entitlement));
    if (missing === undefined) return;
    throw new VarveError("invalid-build", `${missing} is not allowed`, { details: { entitlement: missing } });
  }

  async #run(given: ContainerProcess): Promise<StepProcess> {
    const { deps } = this.#shared;
    const { platform, network, hostname, extraHosts } = this.spec;
    const { rootfs, readonlyRootfs, mounts } = this.#mounts;
    const { keepStubParents, ...joining } = given;
    const start = async (): Promise<RunningStep> => {
      const runner = await deps.runner();
      return await runner.start({
        ...(await this.#joining(joining)),
        rootfs,
        readonlyRootfs,
        mounts,
        platform,
        network,
        proxy: deps.proxy && { judge: deps.proxy.judge, capture: new ProxyCapture() },
        extraHosts,
        ...(hostname === "" ? {} : { hostname }),
        shmSize: deps.limits.shmSize,
        keepStubParents,
      });
    };
    // Processes that are started meanwhile join this one.
    this.#step = start();
    const step = await this.#step;
    // The container was released while its first process was started.
    if (this.#ending !== undefined) step.first.signal("SIGKILL");
    return step.first;
  }

  async #join(given: ContainerProcess): Promise<StepProcess> {
    const step = await this.#step;
    if (step === undefined) throw notRunning(this.spec.id);
    return await step.join(await this.#joining(given));
  }

  async #joining({
    process,
    secretEnv,
    ...streams
  }: Omit<ContainerProcess, "keepStubParents">): Promise<JoiningProcess> {
    const secrets = await secretEnvironment(secretEnv, this.#shared.deps);
    const has = (name: string): boolean => process.env.some((entry) => entry.startsWith(`${name}=`));
    const env = [
      ...process.env,
      ...(has("PATH") ? [] : [`PATH=${this.spec.platform?.os === "windows" ? WINDOWS_PATH : DEFAULT_PATH}`]),
      ...(streams.terminal === true && !has("TERM") ? ["TERM=xterm"] : []),
      ...secrets,
    ];
    return { ...streams, process: { ...process, env } };
  }

  async #watch(started: StepProcess, isFirst: boolean): Promise<ProcessEnd> {
    const error = await this.#failureOf(started);
    if (error !== undefined) return { kind: "failure", error: this.#fail(error) };
    if (isFirst) this.#end({ cause: undefined, error: notRunning(this.spec.id) });
    return { kind: "success" };
  }

  async #failureOf({ exited }: StepProcess): Promise<VarveError | undefined> {
    try {
      const { exitCode } = await exited;
      if (exitCode === 0) return undefined;
      const cause = this.#ending?.cause;
      const text = cause === undefined ? `exit code: ${exitCode}` : `exit code: ${exitCode}: ${cause}`;
      return new VarveError("step-failed", text, { details: { exitCode } });
    } catch (error) {
      return toVarveError(error, "run a process");
    }
  }

  #fail(error: VarveError): VarveError {
    this.#failure ??= error;
    this.#end({ cause: error.message, error });
    return error;
  }

  /** Kills all processes. */
  #end(ending: Ending): void {
    if (this.#ending !== undefined) return;
    this.#ending = ending;
    this.#step?.then((step) => step.first.signal("SIGKILL")).catch(() => undefined);
  }
}

const WINDOWS_PATH = String.raw`c:\Windows\System32;c:\Windows;C:\Windows\System32\WindowsPowerShell\v1.0`;

function notRunning(id: string): VarveError {
  return new VarveError("not-found", `container ${id} is not running`);
}
