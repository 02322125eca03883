import { VarveError, parseJson, errnoOf } from "../core/index.ts";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDirectories, tryLock } from "../linux/index.ts";
import { removeAll } from "./cgroup/cgroup.ts";
import { returnMoved } from "./chroot/moved.ts";

const LOCK = "lock";
const CGROUPS = "cgroups.json";

/** The directory of one step: its bundle, generated files and log. Disposal removes it. */
export interface StepDirectory extends Disposable {
  readonly path: string;
  /** Directory for the runtime's own state. */
  readonly runtimeState: string;
  /** Unique among all steps of the machine. Valid as a container's id and as a control group's name. */
  readonly id: string;
  /** Records control groups, so that another process can remove them if this one is killed. */
  recordCgroups(cgroups: readonly string[]): void;
}

/**
 * This process's subdirectory of a state directory: `<pid>-<random>`, with a file that is locked as long as the process lives.
 * Subdirectories whose file is not locked belong to processes that ended. They are removed, with the control groups that they
 * record.
 */
export class Workspace implements AsyncDisposable {
  readonly path: string;
  readonly #name: string;
  readonly #lock: Disposable;
  #steps = 0;

  private constructor(path: string, name: string, lock: Disposable) {
    this.path = path;
    this.#name = name;
    this.#lock = lock;
  }

  static async open(stateDir: string): Promise<Workspace> {
    makeDirectories(stateDir, 0o711);
    // No other process may look for abandoned subdirectories before the new one is locked.
    using _all = await lockAll(stateDir);
    await removeAbandoned(stateDir, async () => undefined);
    const name = `${process.pid}-${randomBytes(6).toString("hex")}`;
    const path = join(stateDir, name);
    await mkdir(path, { mode: 0o711 });
    const lock = tryLock(join(path, LOCK));
    if (lock === undefined) throw new VarveError("internal", `Cannot lock ${path}: it is new and locked already`);
    return new Workspace(path, name, lock);
  }

  /** Without the pool of libuv: what is done here takes less time than waiting for a thread. */
  step(): StepDirectory {
    this.#steps += 1;
    const path = join(this.path, String(this.#steps));
    mkdirSync(path, { mode: 0o711 });
    return {
      path,
      runtimeState: join(path, "runtime"),
      id: `varve-${this.#name}-${this.#steps}`,
      recordCgroups: (cgroups) => writeFileSync(join(path, CGROUPS), JSON.stringify(cgroups)),
      [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    this.#lock[Symbol.dispose]();
  }
}

async function lockAll(stateDir: string): Promise<Disposable> {
  for (let attempt = 0; attempt < 400; attempt += 1) {
    const lock = tryLock(join(stateDir, LOCK));
    if (lock !== undefined) return lock;
    await sleep(5 + (attempt % 20));
  }
  throw new VarveError("busy", `Cannot prepare ${stateDir}: another process holds its lock`);
}

/**
 * Removes the steps of processes that have ended. `removing` is called with each directory before it is removed.
 *
 * @throws {VarveError} `busy` if another process holds the state directory's lock for too long.
 * @example
 * await removeAbandonedSteps("/var/lib/varve/run", async (path) => console.log(path));
 */
export async function removeAbandonedSteps(stateDir: string, removing: (path: string) => Promise<void>): Promise<void> {
  using _all = await lockAll(stateDir);
  await removeAbandoned(stateDir, removing);
}

async function removeAbandoned(stateDir: string, removing: (path: string) => Promise<void>): Promise<void> {
  for (const entry of await readdir(stateDir, { withFileTypes: true })) {
    if (!entry.isDirectory() || !/^\d+-[0-9a-f]{12}$/.test(entry.name)) continue;
    const directory = join(stateDir, entry.name);
    using lock = existsSync(join(directory, LOCK)) ? tryLock(join(directory, LOCK)) : NOTHING;
    if (lock === undefined) continue;
    const steps = await entriesOf(directory);
    if (steps === undefined) continue;
    for (const step of steps) {
      await removeAll(await cgroupsOf(join(directory, step, CGROUPS)));
      returnMoved(join(directory, step));
    }
    await removing(directory);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Returns the entries of a directory; undefined if it does not exist any more, because its process has just ended and removed it. */
async function entriesOf(directory: string): Promise<string[] | undefined> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw error;
    return undefined;
  }
}

const NOTHING: Disposable = { [Symbol.dispose]: () => undefined };

async function cgroupsOf(path: string): Promise<string[]> {
  try {
    return parseJson(await readFile(path), path).strings() ?? [];
  } catch {
    // Not a step, or the process ended before it recorded any.
    return [];
  }
}
