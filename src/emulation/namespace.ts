import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VarveError, messageOf } from "../core/index.ts";
import { findProgram, parseIdMap } from "../linux/index.ts";
import type { Architecture } from "./architectures.ts";
import { BINFMT_MISC, MAX_REGISTRATION, entryName, registrationLine } from "./registrations.ts";

/** Bytes of a message of a program that has failed. */
const MAX_MESSAGE = 4096;

/**
 * A user namespace with registered emulators of its own, of which the machine and other namespaces see nothing. It has the ids of this
 * process's namespace under the same numbers. No process has to be in it: it exists until it is disposed of.
 */
export interface EmulatorNamespace extends Disposable {
  /** A path that names the user namespace, for nsenter, while it exists. */
  readonly path: string;
  /** Registers an emulator for an architecture, instead of the one before. Throws a system error if the kernel refuses it. */
  register(architecture: Architecture, interpreter: string, keepsName: boolean): void;
  /** Forgets the emulator of an architecture. */
  remove(architecture: Architecture): void;
}

/**
 * Makes a user namespace and mounts binfmt_misc in it. The mount and the namespace are held by descriptors of this process.
 *
 * @throws {VarveError} `unsupported` if this process may not make user namespaces, or the kernel is older than Linux 6.7, where there
 *   is one binfmt_misc for the whole machine.
 */
export async function openEmulatorNamespace(): Promise<EmulatorNamespace> {
  const [unshare, shell] = await Promise.all([findProgram("unshare"), findProgram("sh")]);
  if (unshare === undefined || shell === undefined)
    throw new VarveError("unsupported", "Cannot register emulators: unshare or sh is not installed");
  const directory = existsSync(BINFMT_MISC) ? BINFMT_MISC : tmpdir();
  const child = spawn(unshare, ["--user", shell, "-c", WAITING, "varve", unshare, shell, MOUNTING, directory], {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  const talk = new Talk(child);
  try {
    await talk.hears("ready");
    writeMaps(child.pid ?? 0);
    talk.says("go");
    await talk.hears("mounted");
    return held(child.pid ?? 0, directory);
  } catch (error) {
    throw new VarveError("unsupported", `Cannot register emulators in a user namespace: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    await talk.ends();
  }
}

/** The shell has no privileges until its ids are written. It ends when this process does. */
const WAITING = `echo ready; read -r answer || exit 125; exec "$1" --mount --propagation slave "$2" -c "$3" varve "$4"`;
const MOUNTING = `mount -t binfmt_misc binfmt_misc "$1" || exit 125; echo mounted; read -r answer`;

/** What is said to a shell, and by it. */
class Talk {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #heard = "";
  #errors = "";

  constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, "close");
    this.#ended.catch(() => undefined);
    child.stdin?.on("error", () => undefined);
    child.stdout?.on("data", (chunk: Buffer) => (this.#heard = (this.#heard + String(chunk)).slice(-MAX_MESSAGE)));
    child.stderr?.on("data", (chunk: Buffer) => (this.#errors = (this.#errors + String(chunk)).slice(0, MAX_MESSAGE)));
  }

  async hears(word: string): Promise<void> {
    while (!this.#heard.includes(`${word}\n`)) {
      const next = this.#child.stdout === null ? undefined : once(this.#child.stdout, "data");
      next?.catch(() => undefined);
      const ended = await Promise.race([next, this.#ended.then(() => "ended" as const)]);
      if (ended === "ended")
        throw new Error(
          this.#errors.trim() || `the shell ended by ${this.#child.signalCode ?? `exit code ${this.#child.exitCode}`}`,
        );
    }
  }

  says(word: string): void {
    this.#child.stdin?.write(`${word}\n`);
  }

  async ends(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended.catch(() => undefined);
  }
}

/** Gives a user namespace all ids of this process's. Runtimes take a map of one range for the machine's own: two are equal to it. */
function writeMaps(pid: number): void {
  for (const name of ["uid_map", "gid_map"]) {
    const lines = parseIdMap(readFileSync(`/proc/self/${name}`, "latin1")).flatMap(({ inside, count }) =>
      count === 1
        ? [[inside, 1]]
        : [
            [inside, 1],
            [inside + 1, count - 1],
          ],
    );
    writeFileSync(`/proc/${pid}/${name}`, lines.map(([id, count]) => `${id} ${id} ${count}\n`).join(""));
  }
}

/** Opens what is in the namespaces of a process, which may end then. */
function held(pid: number, directory: string): EmulatorNamespace {
  using stack = new DisposableStack();
  const open = (path: string): number => {
    const descriptor = openSync(path, "r");
    stack.defer(() => closeSync(descriptor));
    return descriptor;
  };
  const user = open(`/proc/${pid}/ns/user`);
  const mount = `/proc/self/fd/${open(`/proc/${pid}/root${directory}`)}`;
  const remove = (architecture: Architecture): void => {
    const path = join(mount, entryName(architecture));
    if (existsSync(path)) writeFileSync(path, "-1");
  };
  const owned = stack.move();
  return {
    path: `/proc/${process.pid}/fd/${user}`,
    register: (architecture, interpreter, keepsName) => {
      const line = registrationLine(architecture, interpreter, keepsName);
      if (Buffer.byteLength(line) >= MAX_REGISTRATION)
        throw new VarveError("unsupported", `Cannot register ${interpreter}: its path is too long`);
      remove(architecture);
      writeFileSync(join(mount, "register"), line);
    },
    remove,
    [Symbol.dispose]: () => owned.dispose(),
  };
}
