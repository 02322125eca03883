import { VarveError, parseJson } from "../core/index.ts";
import { randomBytes } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import { mkdir, readFile, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { makeDirectories, tryLock } from "../linux/index.ts";
import { removeAll } from "./cgroup/cgroup.ts";

const LOCK = "lock";
const CGROUPS = "cgroups.json";

/** The directory of one step: its bundle, generated files and log. Disposal removes it. */
export interface StepDirectory extends AsyncDisposable {
  readonly path: string;
  /** Directory for the runtime's own state. */
  readonly runtimeState: string;
  /** Unique among all steps of the machine; fit for a container's id and a control group's name. */
  readonly id: string;
  /** Notes control groups, so that they go even if this process is killed. */
  keep(cgroups: readonly string[]): void;
}

/**
 * This process's part of a state directory: `<pid>-<random>`, which holds a locked file for as long as the process lives.
 * Parts whose file is not locked belong to the dead and are removed, with the control groups they name.
 */
export class Workspace implements AsyncDisposable {
  readonly path: string;
  readonly #name: string;
  readonly #held: Disposable;
  #steps = 0;

  private constructor(path: string, name: string, held: Disposable) {
    this.path = path;
    this.#name = name;
    this.#held = held;
  }

  static async open(stateDir: string): Promise<Workspace> {
    makeDirectories(stateDir, 0o711);
    // Between the making of a part and its lock no one else may look.
    using _all = await lockAll(stateDir);
    await removeParts(stateDir, async () => undefined);
    const name = `${process.pid}-${randomBytes(6).toString("hex")}`;
    const path = join(stateDir, name);
    await mkdir(path, { mode: 0o711 });
    const held = tryLock(join(path, LOCK));
    if (held === undefined) throw new VarveError("internal", `Cannot lock ${path}: it is new and locked already`);
    return new Workspace(path, name, held);
  }

  async step(): Promise<StepDirectory> {
    this.#steps += 1;
    const path = join(this.path, String(this.#steps));
    await mkdir(path, { mode: 0o711 });
    return {
      path,
      runtimeState: join(path, "runtime"),
      id: `varve-${this.#name}-${this.#steps}`,
      keep: (cgroups) => writeFileSync(join(path, CGROUPS), JSON.stringify(cgroups)),
      [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true });
    this.#held[Symbol.dispose]();
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

/** Removes the steps of processes that are gone. `removing` is called for each of their directories before. */
export async function removeAbandonedSteps(stateDir: string, removing: (path: string) => Promise<void>): Promise<void> {
  using _all = await lockAll(stateDir);
  await removeParts(stateDir, removing);
}

async function removeParts(stateDir: string, removing: (path: string) => Promise<void>): Promise<void> {
  for (const entry of await readdir(stateDir, { withFileTypes: true })) {
    if (!entry.isDirectory() || !/^\d+-[0-9a-f]{12}$/.test(entry.name)) continue;
    const part = join(stateDir, entry.name);
    using lock = existsSync(join(part, LOCK)) ? tryLock(join(part, LOCK)) : NOTHING;
    if (lock === undefined) continue;
    for (const step of await readdir(part)) await removeAll(await cgroupsOf(join(part, step, CGROUPS)));
    await removing(part);
    await rm(part, { recursive: true, force: true });
  }
}

const NOTHING: Disposable = { [Symbol.dispose]: () => undefined };

async function cgroupsOf(path: string): Promise<string[]> {
  try {
    return parseJson(await readFile(path), path).strings() ?? [];
  } catch {
    // Not a step, or cut off before it had any.
    return [];
  }
}
