import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findProgram } from "../linux/index.ts";
import type { Architecture } from "./architectures.ts";
import { probeProgram } from "./elf.ts";

/** Milliseconds that a program which does nothing may take. */
const DEADLINE = 20_000;
/** Directories from which programs can be run, where the first is perhaps mounted without that right. */
const PLACES = ["/var/tmp", "/dev/shm", "/run"];

const NOWHERE = "/nonexistent";

/** What came of running a program of an architecture. */
export type Probe =
  /** It ran, in a root filesystem that has nothing but it. */
  | "runs"
  /** It ran, with more arguments than it was given: its emulator does not know that it gets the program's name. */
  | "renamed"
  | "fails";

/** Where programs of this machine can be run. */
export interface ProbePlace {
  /** The directory in which a temporary one is made. */
  readonly directory: string;
  /** The program that changes the root; undefined without the right to do so: programs then run in the root of the machine. */
  readonly chroot: string | undefined;
}

/** Runs programs that do nothing, one for each architecture. Disposal removes them. */
export class Prober implements AsyncDisposable {
  readonly #directory: string;
  readonly #chroot: string | undefined;

  private constructor(directory: string, chroot: string | undefined) {
    this.#directory = directory;
    this.#chroot = chroot;
  }

  /** Without a place, or if no directory can be made there, all programs fail. */
  static async open(place: ProbePlace | undefined): Promise<Prober> {
    const made = place && (await mkdtemp(join(place.directory, "varve-probe-")).catch(() => undefined));
    return new Prober(made ?? NOWHERE, place?.chroot);
  }

  get isUsable(): boolean {
    return this.#directory !== NOWHERE;
  }

  /** Runs the program of an architecture. `enter` are the words of a command before it, which enter a namespace. */
  async try(architecture: Architecture, enter: readonly string[] = []): Promise<Probe> {
    const path = await writeProgram(this.#directory, architecture);
    const program = this.#chroot === undefined ? path : join("/", architecture.name);
    const changed = this.#chroot === undefined ? [] : [this.#chroot, this.#directory];
    const code = await exitCode([...enter, ...changed, program]);
    if (code === 0) return "runs";
    return code === 1 ? "renamed" : "fails";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Returns the first place in which a program of this machine runs; undefined if there is none. */
export async function findPlace(native: Architecture | undefined): Promise<ProbePlace | undefined> {
  const changer = await findProgram("chroot");
  for (const directory of [tmpdir(), ...PLACES])
    // Without the right to change the root, programs run in that of the machine.
    for (const chroot of [changer, undefined]) {
      const place = { directory, chroot };
      await using prober = await Prober.open(place);
      const runs = native === undefined ? prober.isUsable : (await prober.try(native)) === "runs";
      if (runs) return place;
    }
  return undefined;
}

async function writeProgram(directory: string, architecture: Architecture): Promise<string> {
  const path = join(directory, architecture.name);
  if (!existsSync(path)) {
    await writeFile(path, probeProgram(architecture)).catch(() => undefined);
    await chmod(path, 0o755).catch(() => undefined);
  }
  return path;
}

/** Returns the exit code of a command; -1 if it was not started, or was killed. */
async function exitCode([program = "", ...args]: readonly string[]): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  execFile(program, args, { timeout: DEADLINE, env: {}, cwd: "/" }, (error) => {
    if (error === null) resolve(0);
    else resolve(typeof error.code === "number" ? error.code : -1);
  });
  return await promise;
}
