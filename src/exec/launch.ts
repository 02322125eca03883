import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { VarveError } from "../core/index.ts";
import { type OutputPipe, outputPipe } from "./output.ts";

/** The programs that put a runtime into a cage. */
export interface LaunchTools {
  readonly setpriv: string;
  readonly unshare: string;
  readonly shell: string;
}

export interface LaunchPlan {
  readonly tools: LaunchTools;
  /** Arguments of the runtime, itself first. */
  readonly command: readonly string[];
  /** Shell commands to do in the cage's mount namespace beforehand; must be free of what comes from outside. */
  readonly prepare: readonly string[];
  /** Positional parameters for `prepare`: "${1}", "${2}", … */
  readonly parameters: readonly string[];
  /** Where crun may make what it would otherwise make in /tmp, and leave there if killed. */
  readonly scratch: string;
}

/** How the runtime has ended. */
export interface LaunchEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/**
 * A runtime in a mount and a pid namespace of its own, where it is the first process: when it ends, the kernel ends all
 * others. It ends when this process does, however that comes. Disposal kills it, and waits until nothing of it is left.
 */
export interface Launch extends AsyncDisposable {
  readonly stdout: OutputPipe;
  readonly stderr: OutputPipe;
  /** The launcher's process, whose children everything else descends from; 0 if it could not be started. */
  readonly pid: number;
  /** Settles when the cage stands and waits; gives the id of its first process. Throws `unsupported` if it cannot be. */
  ready(): Promise<number>;
  /** Starts the runtime. */
  go(): void;
  /** Settles when the runtime and all it has started are gone. */
  end(): Promise<LaunchEnd>;
  /** SIGKILL for the first process of the cage. */
  kill(): void;
}

const READY = "ready";
const KILL_DEADLINE = 30_000;

/*
 * setpriv asks for SIGKILL at the death of this process, unshare for its child at its own death. Both requests are in force
 * before the shell says "ready", and it goes on only when this process, alive, answers: there is no moment at which a
 * killed Varve leaves a step behind. The words on descriptor 3 before "ready" say what went wrong.
 */
function script({ prepare }: LaunchPlan, shift: number): string {
  const steps = prepare.map((command) => `{ ${command}; } >&3 2>&3 || exit 125`);
  return [
    ...steps,
    `shift ${shift}`,
    `echo ${READY} >&3`,
    "read -r answer <&3 || exit 125",
    "exec 3>&-",
    'exec "$@"',
  ].join("\n");
}

export function launch(plan: LaunchPlan): Launch {
  const { setpriv, unshare, shell } = plan.tools;
  const stdout = outputPipe();
  const stderr = outputPipe();
  const shellScript = script(plan, plan.parameters.length);
  const child = spawn(
    setpriv,
    ["--pdeathsig", "KILL", unshare, "--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc"].concat(
      [shell, "-c", shellScript, "varve-step"],
      plan.parameters,
      plan.command,
    ),
    {
      // A session of its own: a Ctrl-C at the terminal is this process's to answer.
      detached: true,
      env: {
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        _LIBCONTAINER_STATEDIR: plan.scratch,
      },
      stdio: ["ignore", stdout.writer, stderr.writer, "pipe"],
    },
  );
  stdout.handOver();
  stderr.handOver();
  return new Cage(child, stdout, stderr);
}

class Cage implements Launch {
  readonly stdout: OutputPipe;
  readonly stderr: OutputPipe;
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #ended: Promise<LaunchEnd>;
  #alive = true;
  #first: number | undefined;

  constructor(child: ChildProcess, stdout: OutputPipe, stderr: OutputPipe) {
    this.#child = child;
    this.#control = child.stdio[3] as Socket;
    this.stdout = stdout;
    this.stderr = stderr;
    this.#control.on("error", () => undefined);
    this.#ended = this.#watch();
    this.#ended.catch(() => undefined);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  async #watch(): Promise<LaunchEnd> {
    try {
      const [code, signal] = (await once(this.#child, "exit")) as [number | null, NodeJS.Signals | null];
      return { code, signal };
    } catch (error) {
      throw new VarveError("unsupported", "Cannot run steps: the launcher did not start", { cause: error });
    } finally {
      this.#alive = false;
    }
  }

  async ready(): Promise<number> {
    let said = "";
    for await (const chunk of this.#control.iterator({ destroyOnReturn: false })) {
      said += String(chunk);
      if (said.endsWith(`${READY}\n`)) {
        this.#first = childOf(this.pid);
        if (this.#first !== undefined) return this.#first;
      }
      if (said.length > 16_384) break;
    }
    await this.#ended;
    let complaint = said;
    await this.stderr.pump((chunk) => {
      complaint = (complaint + Buffer.from(chunk).toString()).slice(0, 4096);
    });
    throw new VarveError("unsupported", `Cannot run steps: no namespaces for them: ${complaint.trim()}`, {
      hint: "Run as root, or in a container with the capability SYS_ADMIN.",
    });
  }

  go(): void {
    this.#control.end("go\n");
    // What comes after is end of file, which nobody need read.
    this.#control.resume();
  }

  end(): Promise<LaunchEnd> {
    return this.#ended;
  }

  kill(): void {
    if (!this.#alive) return;
    const launcher = this.pid;
    const first = this.#first;
    // The first process's id is its own for as long as it is the launcher's child.
    const pid = first !== undefined && parentOf(first) === launcher ? first : launcher;
    try {
      process.kill(pid, constants.signals.SIGKILL);
    } catch {
      // It has ended meanwhile.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.#alive) await this.#killAndWait();
    } finally {
      this.stdout[Symbol.dispose]();
      this.stderr[Symbol.dispose]();
      this.#control.destroy();
    }
  }

  /**
   * The launcher waits for the first process, unless it was killed before there was one to be seen. Then a shell may live that
   * has not yet asked for its death signal: end of file ends it, and its end of the socket tells when.
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
    this.#first ??= childOf(this.pid);
    this.kill();
    using timer = deadline(KILL_DEADLINE);
    const done = await Promise.race([this.#gone(), timer.passed]);
    if (!done) throw new VarveError("internal", "Cannot end the step: its processes do not die");
  }
}

function deadline(milliseconds: number): Disposable & { readonly passed: Promise<false> } {
  const stop = new AbortController();
  const passed = sleep(milliseconds, false as const, { signal: stop.signal }).catch(() => false as const);
  return { passed, [Symbol.dispose]: () => stop.abort() };
}

/** The only child of a process, if it has one. Not every kernel lists children. */
function childOf(pid: number): number | undefined {
  try {
    const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
    return listed === "" ? undefined : Number(listed.split(" ")[0]);
  } catch {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .find((candidate) => parentOf(candidate) === pid);
  }
}

function parentOf(pid: number): number | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command's name in parentheses, which may hold anything.
    return Number(status.slice(status.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return undefined;
  }
}
