import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError } from "../core/index.ts";
import { namespaceHint } from "../isolation/index.ts";
import { ownIdMaps } from "../linux/index.ts";
import { childSocket } from "./child-socket.ts";
import { missingForChroot } from "./chroot/possible.ts";
import { CONTROL, type LaunchTools, READY, WAITING_SCRIPT } from "./launch-script.ts";
import { childOf, parentOf } from "./process-tree.ts";
import { type ChildStreams, type InputKind, openStreams } from "./streams.ts";

/** How the runtime has ended. */
export interface LaunchEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * A shell in its own pid namespace that waits for a step and becomes its runtime. It is the first process of the namespace: when
 * it ends, the kernel kills all other processes in it. The kernel also kills it when this process ends, even by SIGKILL. Disposal
 * kills it and waits until all its processes are gone.
 */
export interface Launch extends AsyncDisposable {
  readonly streams: ChildStreams;
  /** The launcher's process, whose children everything else descends from; 0 if it could not be started. */
  readonly pid: number;
  readonly isAlive: boolean;
  /** What went wrong after `go` and before the runtime started; empty if nothing did. */
  readonly problem: string;
  /**
   * Waits until the namespace exists and the shell waits for a step. Returns the id of the first process in the namespace.
   * @throws {VarveError} `unsupported` if the namespace cannot be created.
   */
  ready(): Promise<number>;
  /**
   * Starts a script whose plan asks for an answer, and waits until it does so.
   * @throws {VarveError} `unsupported` if the mounts of the plan cannot be made.
   */
  enter(script: string): Promise<void>;
  /** Starts the runtime: by a script, or by the answer to the script that has been entered. Without one, it starts by itself. */
  go(script?: string): void;
  /** Returns the id of the first process in the namespace, which becomes the runtime; undefined if it has ended. */
  first(): number | undefined;
  /** Settles when the runtime and every process that it started are gone. */
  end(): Promise<LaunchEnd>;
  /** Sends SIGKILL to the first process of the namespace. */
  kill(): void;
}

/** Milliseconds. */
const KILL_DEADLINE = 30_000;
const MAX_PROBLEM = 4096;

/**
 * Starts a launcher. Scripts are named relative to `directory`. `enter` are the words of a command before it, which enters namespaces. An idle process does not wait for the launcher before `ready`.
 *
 * setpriv requests SIGKILL for itself when this process dies; unshare requests it for its child when unshare dies. Both requests
 * are in force before the shell writes "ready", and the shell continues only after this process answers. So a SIGKILL of Varve
 * leaves no step behind, whenever it comes. Text on the control socket before "ready" is an error message.
 */
export function launch(
  { setpriv, unshare, shell }: LaunchTools,
  directory: string,
  input: InputKind = "empty",
  enter: readonly string[] = [],
): Launch {
  const namespaces = [unshare, "--pid", "--fork", "--kill-child=KILL"];
  return startLaunch(
    [...enter, setpriv, ...DIES_WITH_US, ...namespaces, shell, "-c", WAITING_SCRIPT, "varve-step"],
    directory,
    input,
  );
}

/** setpriv's request that the kernel kills a process when this one dies. */
export const DIES_WITH_US: readonly string[] = ["--pdeathsig", "KILL"];

/** Starts a program that gets the step's streams, sockets for its own errors and problems, and `more` descriptors. */
export function startLaunch(
  [program = "", ...args]: readonly string[],
  directory: string,
  input: InputKind,
  more: readonly number[] = [],
): Launch {
  using resources = new DisposableStack();
  const streams = resources.use(openStreams(input));
  const { stdin, stdout, stderr } = streams.child;
  const child = spawn(program, args, {
    cwd: directory,
    // A new session: Ctrl-C at the terminal signals this process only.
    detached: true,
    env: { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" },
    stdio: [stdin, stdout, "pipe", "pipe", stderr, ...more],
  });
  streams.closeChild();
  const launched = new NamespacedLaunch(child, streams);
  resources.move();
  return launched;
}

class NamespacedLaunch implements Launch {
  readonly streams: ChildStreams;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #errors: Socket;
  readonly #ended: Promise<LaunchEnd>;
  #alive = true;
  #killed = false;
  #problem = "";
  #first: number | undefined;

  constructor(child: ChildProcess, streams: ChildStreams) {
    this.#child = child;
    this.#ended = this.#watch();
    this.#ended.catch(() => undefined);
    this.#control = childSocket(child, CONTROL);
    this.#errors = childSocket(child, 2);
    this.streams = streams;
    for (const socket of [this.#control, this.#errors]) socket.on("error", () => undefined).unref();
    child.unref();
  }

  get isAlive(): boolean {
    return this.#alive;
  }

  get problem(): string {
    return this.#problem.trim();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async #watch(): Promise<LaunchEnd> {
    try {
      return await exitOf(this.#child);
    } catch (error) {
      throw new VarveError("unsupported", "Cannot run steps: the launcher did not start", { cause: error });
    } finally {
      this.#alive = false;
    }
  }

  #ref(): void {
    this.#child.ref();
    for (const socket of [this.#control, this.#errors]) socket.ref();
  }

  async ready(): Promise<number> {
    this.#ref();
    await this.#said((): boolean => {
      this.#first ??= childOf(this.pid);
      return this.#first !== undefined;
    });
    return this.#first ?? 0;
  }

  async enter(script: string): Promise<void> {
    this.#control.write(`${script}\n`);
    await this.#said(() => true);
  }

  go(script?: string): void {
    this.#ref();
    this.#control.end(script === undefined ? "" : `${script}\n`);
    // Only an error message, or end of file, follows.
    this.#control.on("data", (chunk: Buffer) => {
      this.#problem = (this.#problem + chunk.toString()).slice(0, MAX_PROBLEM);
    });
    this.#errors.resume();
  }

  /** Waits until the shell says that it is ready, and `isReady` agrees. */
  async #said(isReady: () => boolean): Promise<void> {
    let received = "";
    for await (const chunk of this.#control.iterator({ destroyOnReturn: false })) {
      received += String(chunk);
      if (received.endsWith(`${READY}\n`) && isReady()) return;
      if (received.length > 16_384) break;
    }
    await this.#ended;
    let reason = received;
    for await (const chunk of this.#errors) reason = (reason + String(chunk)).slice(0, MAX_PROBLEM);
    throw namespaceError(reason);
  }

  async end(): Promise<LaunchEnd> {
    const end = await this.#ended;
    // unshare fails to end by SIGKILL, as its child did.
    return this.#killed && end.code === 1 ? { code: null, signal: "SIGKILL" } : end;
  }

  kill(): void {
    if (!this.#alive) return;
    this.#killed = true;
    try {
      process.kill(this.first() ?? this.pid, constants.signals.SIGKILL);
    } catch {
      // The process has already ended.
    }
  }

  first(): number | undefined {
    if (!this.#alive) return undefined;
    this.#first ??= childOf(this.pid);
    // The kernel does not reuse the first process's id while that process is the launcher's child.
    return this.#first !== undefined && parentOf(this.#first) === this.pid ? this.#first : undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#alive) await this.#killAndWait();
    } finally {
      this.streams[Symbol.dispose]();
      this.#control.destroy();
      this.#errors.destroy();
    }
  }

  /**
   * The launcher waits for the first process. If it was killed before the first process was found, a shell may still run
   * that has not requested its death signal yet: end of file ends that shell, and the socket closes when it is gone.
   */
  async #gone(): Promise<true> {
    await this.#ended.catch(() => undefined);
    if (this.#first !== undefined || this.#control.closed) return true;
    this.#control.resume();
    this.#control.end();
    await once(this.#control, "close");
    return true;
  }

  async #killAndWait(): Promise<void> {
    this.kill();
    using timer = deadline(KILL_DEADLINE);
    const done = await Promise.race([this.#gone(), timer.passed]);
    if (!done) throw new VarveError("internal", "Cannot end the step: its processes are still running after SIGKILL");
  }
}

/** The error of a machine that does not let Varve make the namespaces, or the mounts in them, that a step needs. */
export function namespaceError(reason: string): VarveError {
  return new VarveError("unsupported", `Cannot run steps: namespaces cannot be created: ${reason.trim()}`, {
    hint: namespacesHint(),
  });
}

/** Where mounts are allowed, and those of a step fail: the kernel mounts a new /proc only for those who see all of the old one. */
const COVERED =
  "Parts of /proc are covered, as in a container. Start it with systempaths=unconfined (Docker) or procMount: Unmasked (Kubernetes).";

/** For root in a container. */
const CHROOT =
  "Give the container the capability SYS_ADMIN, or, if all that runs in it may trust each other: varve --isolation=chroot (docs/ci.md).";

function namespacesHint(): string {
  if (ownIdMaps() !== undefined) return COVERED;
  if (missingForChroot().length === 0) return CHROOT;
  return namespaceHint() ?? "Run as root, or in a container with the capability SYS_ADMIN.";
}

function exitOf(child: ChildProcess): Promise<LaunchEnd> {
  const ended = Promise.withResolvers<LaunchEnd>();
  child.once("exit", (code, signal) => ended.resolve({ code, signal }));
  child.once("error", ended.reject);
  return ended.promise;
}

function deadline(milliseconds: number): Disposable & { readonly passed: Promise<false> } {
  const stop = new AbortController();
  const passed = sleep(milliseconds, false as const, { signal: stop.signal }).catch(() => false as const);
  return { passed, [Symbol.dispose]: () => stop.abort() };
}
