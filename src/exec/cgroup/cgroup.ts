import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf } from "../../core/index.ts";
import type { CgroupHierarchy, CgroupLayout } from "./layout.ts";
import { fileLimits } from "./v1.ts";
import { controllersFor, type Resources, runtimeResources } from "./resources.ts";
import type { RuntimeName } from "../types.ts";
import { makeDirectories } from "../../linux/index.ts";

/** The control groups of one step. When disposed of, all of them are gone. */
export interface StepCgroup extends AsyncDisposable {
  /** What the runtime's configuration says about control groups. */
  readonly config: {
    readonly cgroupsPath?: string | undefined;
    readonly resources?: Record<string, unknown> | undefined;
  };
  /** False where nothing keeps the step from using any device for which it has a node. */
  readonly guardsDevices: boolean;
  /** Directories to remove, should this process not live to do it. */
  readonly paths: readonly string[];
  /**
   * Sets its limits, and gives the files to which the step's first process has to write "0" to be in; none if the runtime is
   * to see to it. A process that moves itself, and has one thread, need not wait for the rest of the machine.
   */
  entrances(): readonly string[];
  /** Processes of the step that the kernel killed for want of memory. */
  oomKills(): Promise<number>;
}

export interface CgroupRequest {
  readonly layout: CgroupLayout;
  readonly runtime: RuntimeName;
  /** Unique among all steps of the machine. */
  readonly name: string;
  /** Absolute in the hierarchy; below this process's own group if absent. */
  readonly parent?: string | undefined;
  readonly resources: Resources;
  readonly warn: (message: string) => void;
}

/**
 * Makes the control groups of a step. crun refuses a machine that has controllers in both versions, so on version 1 its
 * groups are made and filled here, and it is told to leave them alone; elsewhere the runtime makes its own inside or at
 * the place it is given.
 */
export function openCgroup(request: CgroupRequest): StepCgroup {
  const { layout, runtime } = request;
  if (layout.kind === "none") return noCgroup(request);
  if (layout.kind === "v2") return unifiedCgroup(request);
  return runtime === "crun" ? filledCgroup(request) : delegatedCgroup(request);
}

/** True if crun must be told not to look at control groups. */
export function leavesCgroupsAlone(layout: CgroupLayout, runtime: RuntimeName): boolean {
  return runtime === "crun" && layout.kind !== "v2";
}

function parentOf(hierarchy: CgroupHierarchy, parent: string | undefined): string {
  return parent === undefined ? hierarchy.own : posix.join(hierarchy.mountPoint, posix.join("/", parent));
}

function noCgroup({ warn }: CgroupRequest): StepCgroup {
  warn("Cannot guard devices: this machine has no control groups");
  return {
    config: {},
    guardsDevices: false,
    paths: [],
    entrances: () => [],
    oomKills: () => Promise.resolve(0),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function filledCgroup({ layout, name, parent, resources, warn }: CgroupRequest): StepCgroup {
  const wanted = new Set(["devices", ...controllersFor(resources.limits)]);
  if (parent !== undefined) for (const controller of ["memory", "cpu", "pids"]) wanted.add(controller);
  const made: string[] = [];
  const groups = layout.hierarchies
    .filter(
      (hierarchy) => hierarchy.version === 1 && hierarchy.controllers.some((controller) => wanted.has(controller)),
    )
    .flatMap((hierarchy) => {
      const path = posix.join(parentOf(hierarchy, parent), name);
      const error = tryMake(path, made);
      if (error !== undefined) warn(`Cannot make control group ${path}: ${error}`);
      return error === undefined ? [{ controllers: hierarchy.controllers, path }] : [];
    });
  const memory = groups.find((group) => group.controllers.includes("memory"));
  return {
    config: {},
    guardsDevices: groups.some((group) => group.controllers.includes("devices")),
    paths: made,
    entrances: () =>
      groups.map(({ controllers, path }) => {
        fileLimits(path, controllers, resources, warn);
        return posix.join(path, "tasks");
      }),
    oomKills: () =>
      memory === undefined ? Promise.resolve(0) : readCount(posix.join(memory.path, "memory.oom_control")),
    [Symbol.asyncDispose]: () => removeAll(made),
  };
}

/** Version 1, by runc: a relative path is below the caller's own group, whichever that is in each hierarchy. */
function delegatedCgroup({ layout, name, parent, resources }: CgroupRequest): StepCgroup {
  const own = layout.hierarchies.map((hierarchy) => posix.join(parentOf(hierarchy, parent), name));
  const paths = layout.hierarchies.flatMap((hierarchy, index) => missingOn(hierarchy.mountPoint, own[index] ?? ""));
  const memory = layout.hierarchies.findIndex((hierarchy) => hierarchy.controllers.includes("memory"));
  const oom = own[memory];
  return {
    config: {
      cgroupsPath: parent === undefined ? name : posix.join("/", parent, name),
      resources: runtimeResources(resources),
    },
    guardsDevices: true,
    paths,
    entrances: () => [],
    oomKills: () => (oom === undefined ? Promise.resolve(0) : readCount(posix.join(oom, "memory.oom_control"))),
    [Symbol.asyncDispose]: () => removeAll(paths),
  };
}

/** Version 2: the runtime's own group lies in one of ours, whose counters outlive it. */
function unifiedCgroup({ layout, name, parent, resources, warn }: CgroupRequest): StepCgroup {
  const hierarchy = layout.hierarchies.find((item) => item.version === 2) as CgroupHierarchy;
  const above = parent === undefined ? freeParent(hierarchy) : parentOf(hierarchy, parent);
  const path = posix.join(above, name);
  const made: string[] = [];
  const error = tryMake(path, made);
  if (error !== undefined) warn(`Cannot make control group ${path}: ${error}`);
  return {
    config: {
      cgroupsPath: posix.join("/", posix.relative(hierarchy.mountPoint, path), "step"),
      resources: runtimeResources(resources),
    },
    guardsDevices: true,
    paths: made,
    entrances: () => [],
    oomKills: () => readCount(posix.join(path, "memory.events")),
    [Symbol.asyncDispose]: () => removeAll(made),
  };
}

/**
 * A group that holds processes cannot hand controllers to groups below it, except the root, and crun tries that for seconds.
 * So a step goes below the nearest group above this process that holds none.
 */
function freeParent({ own, mountPoint }: CgroupHierarchy): string {
  let here = own;
  while (here !== mountPoint && readText(posix.join(here, "cgroup.procs")) !== "") here = posix.dirname(here);
  return here;
}

/** Those of `path` and the directories above it, as far as `top`, that do not exist; topmost first. */
function missingOn(top: string, path: string): string[] {
  const missing: string[] = [];
  for (let here = path; here !== top && !existsSync(here); here = posix.dirname(here)) missing.unshift(here);
  return missing;
}

/** Makes a group and those above it, adding to `made` what did not exist; the reason if it cannot be made. */
function tryMake(path: string, made: string[]): string | undefined {
  try {
    const first = makeDirectories(path);
    if (first === undefined) return undefined;
    for (let here = path; here.length >= first.length; here = posix.dirname(here)) made.unshift(here);
    return undefined;
  } catch (error) {
    return errnoOf(error) ?? String(error);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

async function readCount(path: string): Promise<number> {
  try {
    return Number(/^oom_kill (\d+)$/m.exec(await readFile(path, "utf8"))?.[1] ?? 0);
  } catch {
    // The group has no memory controller, or is gone.
    return 0;
  }
}

/** Removes groups and those below them, deepest first. A group is busy for a moment after its last process has ended. */
export async function removeAll(paths: readonly string[]): Promise<void> {
  for (const path of paths.toReversed()) {
    for (let attempt = 0; attempt < 50 && !tryRemove(path); attempt += 1) await sleep(Math.min(1 + attempt, 20));
  }
}

function tryRemove(path: string): boolean {
  try {
    const below = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    if (!below.every((entry) => tryRemove(posix.join(path, entry.name)))) return false;
    rmdirSync(path);
    return true;
  } catch (error) {
    return errnoOf(error) === "ENOENT";
  }
}
