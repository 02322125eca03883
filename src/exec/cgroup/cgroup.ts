import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { posix } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoOf, VarveError } from "../../core/index.ts";
import { freeParent } from "./free-parent.ts";
import type { CgroupHierarchy, CgroupLayout } from "./layout.ts";
import { writeLimits } from "./v1.ts";
import { controllersFor, type Resources, runtimeResources } from "./resources.ts";
import type { RuntimeName } from "../types.ts";
import { MEASURING, type MeasuredGroups } from "../usage/group-sample.ts";
import { makeDirectories, readText } from "../../linux/index.ts";

/** The control groups of one step. Disposal removes them. */
export interface StepCgroup extends AsyncDisposable {
  /** The part of the runtime's configuration that concerns control groups. */
  readonly config: {
    readonly cgroupsPath?: string | undefined;
    readonly resources?: Record<string, unknown> | undefined;
  };
  /** False if nothing restricts which device nodes the step uses. */
  readonly guardsDevices: boolean;
  /** Directories to remove after a crash of this process. */
  readonly paths: readonly string[];
  /**
   * Sets the limits. Returns the files to which the step's first process writes "0" to enter its groups; none if the runtime
   * moves it. A process with one thread that moves itself does not wait for other processes of the machine.
   */
  enter(): readonly string[];
  /** Returns how many processes of the step the kernel killed because memory ran out. */
  oomKills(): number;
  /** Where the kernel counts what the step uses; undefined if it does not, or not for longer than the step runs. */
  readonly measured: MeasuredGroups | undefined;
}

export interface CgroupRequest {
  readonly layout: CgroupLayout;
  readonly runtime: RuntimeName;
  /** Unique among all steps of the machine. */
  readonly name: string;
  /** Absolute in the hierarchy. Defaults to this process's own group. */
  readonly parent?: string | undefined;
  readonly resources: Resources;
  /** The step can make groups: it gets one of its own in every hierarchy, so that they are inside it. Default: false. */
  readonly makesGroups?: boolean | undefined;
  /** The step is in a user namespace, where nobody can make device nodes, and opens those of the machine with this user's rights. */
  readonly isUserNamespace?: boolean | undefined;
  /** The step is measured. Default: false. */
  readonly isMeasured?: boolean | undefined;
  readonly warn: (message: string) => void;
}

/**
 * Creates the control groups of a step. crun fails on a machine that has controllers in both versions. So on version 1, Varve
 * creates the groups for crun and disables crun's own handling. Otherwise the runtime creates its group at or inside the
 * given path.
 */
export function openCgroup(request: CgroupRequest): StepCgroup {
  const { layout, runtime } = request;
  if (layout.kind === "none") return noCgroup(request);
  if (layout.kind === "v2") return unifiedCgroup(request);
  return runtime === "crun" ? ownCgroups(request) : delegatedCgroup(request);
}

/** True if the runtime must not handle control groups itself. */
export function disablesCgroupManager(layout: CgroupLayout, runtime: RuntimeName): boolean {
  return runtime === "crun" && layout.kind !== "v2";
}

function parentOf(hierarchy: CgroupHierarchy, parent: string | undefined): string {
  return parent === undefined ? hierarchy.own : posix.join(hierarchy.mountPoint, posix.join("/", parent));
}

function noCgroup({ isUserNamespace = false, warn }: CgroupRequest): StepCgroup {
  if (!isUserNamespace) warn("Cannot restrict devices: this machine has no control groups");
  return {
    config: {},
    guardsDevices: isUserNamespace,
    paths: [],
    enter: () => [],
    oomKills: () => 0,
    measured: undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Version 1 with crun: one group of Varve's in each hierarchy whose controllers are needed. */
function ownCgroups(request: CgroupRequest): StepCgroup {
  const { layout, name, parent, resources, makesGroups = false, isMeasured = false, warn } = request;
  const wanted = new Set(["devices", ...controllersFor(resources.limits), ...(isMeasured ? MEASURING : [])]);
  if (parent !== undefined) for (const controller of ["memory", "cpu", "pids"]) wanted.add(controller);
  const made: string[] = [];
  const groups = layout.hierarchies
    .filter(
      ({ version, controllers }) => version === 1 && (makesGroups || controllers.some((each) => wanted.has(each))),
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
    enter: () =>
      groups.map(({ controllers, path }) => {
        writeLimits(path, controllers, resources, warn);
        return posix.join(path, "tasks");
      }),
    oomKills: () => (memory === undefined ? 0 : readCount(posix.join(memory.path, "memory.oom_control"))),
    measured: {
      version: 1,
      paths: new Map(groups.flatMap(({ controllers, path }) => controllers.map((controller) => [controller, path]))),
    },
    [Symbol.asyncDispose]: () => removeAll(made),
  };
}

/** Version 1 with runc, which resolves a relative path at its caller's own group of each hierarchy. */
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
    enter: () => [],
    oomKills: () => (oom === undefined ? 0 : readCount(posix.join(oom, "memory.oom_control"))),
    measured: undefined,
    [Symbol.asyncDispose]: () => removeAll(paths),
  };
}

/** Version 2: the runtime's group is created inside one of Varve's, whose counters remain when the runtime's is removed. */
function unifiedCgroup({ layout, name, parent, resources, warn }: CgroupRequest): StepCgroup {
  const hierarchy = layout.hierarchies.find((item) => item.version === 2);
  if (hierarchy === undefined) throw new VarveError("internal", "Cannot find the version 2 control group hierarchy");
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
    enter: () => [],
    oomKills: () => readCount(posix.join(path, "memory.events")),
    measured: { version: 2, path },
    [Symbol.asyncDispose]: () => removeAll(made),
  };
}

/** Returns `path` and the directories above it, up to `top`, that do not exist; topmost first. */
function missingOn(top: string, path: string): string[] {
  const missing: string[] = [];
  for (let here = path; here !== top && !existsSync(here); here = posix.dirname(here)) missing.unshift(here);
  return missing;
}

/** Creates a group and those above it, and adds the new ones to `made`. Returns the reason if it cannot be created. */
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

/** Returns 0 for a group that has no memory controller, or is gone. */
function readCount(path: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(readText(path))?.[1] ?? 0);
}

/** Removes groups and those below them, deepest first. Retries, because a group stays busy briefly after its last process ends. */
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
