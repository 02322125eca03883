import { type ChildProcess, execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { Socket } from "node:net";
import { constants } from "node:os";
import { VarveError } from "../core/index.ts";
import type { MapTools, NamespacePlan } from "./plan.ts";
import type { Refusal } from "./refusal.ts";
import { mapArguments } from "./subordinate-ids.ts";

/** A program that runs as root of a user namespace. */
export interface EnteredProgram {
  readonly pid: number;
  /** Sends a signal to it. */
  signal(name: NodeJS.Signals): void;
  /** Settles when it has ended. */
  readonly ended: Promise<EnteredEnd>;
}

/** How a program has ended. */
export interface EnteredEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface EnteredCommand {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Its standard input, output and error. Default: those of this process. */
  readonly stdio?: "inherit" | "ignore" | undefined;
  /** Descriptors of this process, besides the first three, that it gets under the same numbers. */
  readonly descriptors?: readonly number[] | undefined;
}

/** Bytes of a message of a program that has failed. */
const MAX_MESSAGE = 4096;
const READY = "ready\n";
const ENTERED = "entered\n";
/** A shell knows descriptors of one digit only. */
const DIGITS = [3, 4, 5, 6, 7, 8, 9] as const;

/**
 * The shells' part of the handshake. A process with several threads cannot make a user namespace, and only a program outside can write its
 * map, so that a chain of programs does it, each of which replaces the one before:
 *
 * 1. A shell puts its standard error aside, for the messages of the next programs are for this process.
 * 2. unshare makes the user namespace. Its shell has no privileges, and waits until the map is written. It ends if this process does.
 * 3. The next unshare is root in the namespace, and makes a mount namespace: the proof that the privileges are real.
 * 4. Its shell gives standard error back, and becomes setpriv, which asks for a signal at the death of this process. It can only ask here:
 *    a new user namespace, and new privileges, take that wish back.
 */
function scripts(control: number, errors: number): Record<"start" | "wait" | "last", string> {
  return {
    start: `exec "$@" ${errors}>&2 2>&${control}`,
    wait: `echo ready >&${control}; read -r answer <&${control} || exit 125; exec "$@"`,
    last: `echo entered >&${control}; exec "$@" 2>&${errors} ${errors}>&- ${control}>&-`,
  };
}

/** Starts a program in a new user namespace and a new mount namespace. Returns why that is not possible, if it is not. */
export async function enterUserNamespace(
  plan: NamespacePlan,
  { command, env, stdio = "inherit", descriptors = [] }: EnteredCommand,
): Promise<EnteredProgram | Refusal> {
  const [control, errors] = DIGITS.filter((digit) => !descriptors.includes(digit));
  if (control === undefined || errors === undefined)
    throw new VarveError("limit-exceeded", "Cannot enter a user namespace: more than five open files are passed on");
  const { shell, unshare, setpriv } = plan.tools;
  const { start, wait, last } = scripts(control, errors);
  const inside = [unshare, "--mount", "--propagation", "slave", shell, "-c", last, "varve"];
  const outside = [unshare, "--user", shell, "-c", wait, "varve", ...inside];
  const files: (number | "inherit" | "ignore" | "pipe")[] = [stdio, stdio, stdio];
  for (const descriptor of descriptors) files[descriptor] = descriptor;
  files[control] = "pipe";
  const child = spawn(shell, ["-c", start, "varve", ...outside, setpriv, "--pdeathsig", "KILL", ...command], {
    env,
    // A session of its own: this process passes the signals of the terminal on, so that each comes once.
    detached: true,
    stdio: Array.from(files, (file) => file ?? "ignore"),
  });
  return await new Handshake(child, control).run(plan);
}

/** The part of the handshake of this process. */
class Handshake {
  readonly #child: ChildProcess;
  readonly #control: Socket;
  readonly #ended: Promise<EnteredEnd>;

  constructor(child: ChildProcess, control: number) {
    this.#child = child;
    this.#ended = endOf(child);
    this.#ended.catch(() => undefined);
    const socket: unknown = child.stdio[control];
    if (!(socket instanceof Socket))
      throw new VarveError("internal", "Cannot enter a user namespace: there is no control socket");
    this.#control = socket.on("error", () => undefined);
  }

  async run(plan: NamespacePlan): Promise<EnteredProgram | Refusal> {
    const made = await this.#said(READY);
    if (made !== undefined) return { reason: "failed", step: "make", message: made };
    const unmapped = await writeMaps(this.#child.pid ?? 0, plan);
    if (unmapped !== undefined) {
      this.#control.destroy();
      await this.#ended;
      return { reason: "failed", step: "map", message: unmapped };
    }
    this.#control.write("go\n");
    const mounted = await this.#said(ENTERED);
    if (mounted !== undefined) return { reason: "failed", step: "mount", message: mounted };
    this.#control.destroy();
    const child = this.#child;
    return { pid: child.pid ?? 0, signal: (name) => void child.kill(name), ended: this.#ended };
  }

  /** Waits for a word of the shell. Returns the message of the program that has ended instead. */
  async #said(word: string): Promise<string | undefined> {
    let received = "";
    for await (const chunk of this.#control.iterator({ destroyOnReturn: false })) {
      received = (received + String(chunk)).slice(-MAX_MESSAGE);
      if (received.endsWith(word)) return undefined;
    }
    const { code, signal } = await this.#ended;
    return received.trim() === "" ? `ended by ${signal ?? `exit code ${code}`}` : received.trim();
  }
}

function endOf(child: ChildProcess): Promise<EnteredEnd> {
  const { promise, resolve, reject } = Promise.withResolvers<EnteredEnd>();
  child.once("exit", (code, signal) => resolve({ code, signal }));
  child.once("error", reject);
  return promise;
}

/** Writes the maps of a process's user namespace. Returns the message of a failure. */
async function writeMaps(pid: number, plan: NamespacePlan): Promise<string | undefined> {
  if (plan.kind === "single") return writeSingle(pid, plan);
  const { tools, maps } = plan;
  const failures = await Promise.all([
    runMapTool(tools.newuidmap, [String(pid), ...mapArguments(maps.users)]),
    runMapTool(tools.newgidmap, [String(pid), ...mapArguments(maps.groups)]),
  ]);
  return failures.find((failure) => failure !== undefined);
}

/** A user may map its own id without help, if the namespace's processes cannot drop groups then. */
function writeSingle(pid: number, { maps }: NamespacePlan): string | undefined {
  try {
    writeFileSync(`/proc/${pid}/setgroups`, "deny");
    writeFileSync(`/proc/${pid}/uid_map`, mapArguments(maps.users).join(" "));
    writeFileSync(`/proc/${pid}/gid_map`, mapArguments(maps.groups).join(" "));
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function runMapTool(program: MapTools[keyof MapTools], args: readonly string[]): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  execFile(program, args, { maxBuffer: MAX_MESSAGE }, (error, _out, stderr) => {
    resolve(error === null ? undefined : stderr.trim() || error.message);
  });
  return await promise;
}

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGWINCH"] as const;

/** Waits for a program, passing the signals of this process on to it. Returns the exit code that a shell would show. */
export async function waitForProgram(program: EnteredProgram): Promise<number> {
  for (const name of FORWARDED) process.on(name, () => program.signal(name));
  const { code, signal } = await program.ended;
  return code ?? 128 + constants.signals[signal ?? "SIGKILL"];
}
