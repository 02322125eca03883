import { chmodSync, fstatSync, mkdirSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { Limits, VarveError } from "../../core/index.ts";
import { type IdMaps, type Root, hasId } from "../../linux/index.ts";
import { ownCapabilities, sandboxCapabilities } from "./capabilities.ts";
import { openCgroup, type StepCgroup } from "../cgroup/cgroup.ts";
import type { CgroupLayout } from "../cgroup/layout.ts";
import { processOf, runtimeConfig } from "./config.ts";
import { deviceOf, insecureDevices, type OciDevice } from "./devices.ts";
import { checkEdits, editedEnv, editedMounts, editedNodes, ownedNodes } from "./edits.ts";
import { checkHostname, DEFAULT_HOSTNAME, generatedFiles } from "./files.ts";
import { type OciMount, TERMINAL_GROUP, readonlyFile, systemMounts, withoutDuplicates } from "./mounts.ts";
import type { FilterCache } from "./filter-cache.ts";
import { DEFAULT_DEVICE_RULES, type DeviceRule, supportedLimits } from "../cgroup/resources.ts";
import { defaultSeccomp, type SeccompProfile } from "./seccomp.ts";
import { type MountSource, placeMounts, type SecretFile, sourceOf } from "../mounts/step-mounts.ts";
import { makeDirectories, MountStubs } from "../mounts/stubs.ts";
import { resolveTarget } from "../mounts/target.ts";
import { type StepEmulation, wrapped } from "../emulated.ts";
import type { JoiningProcess, ProcessSpec, RunSpec, Runtime } from "../types.ts";
import { type StepUser, userIn } from "./user.ts";
import type { StepDirectory } from "../workspace.ts";

const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;

/** What preparing and running one step needs. */
export interface StepContext {
  readonly spec: RunSpec;
  readonly root: Root;
  readonly directory: StepDirectory;
  readonly secretDirectory: string | undefined;
  readonly layout: CgroupLayout;
  /** The ids of the user namespace that the runner is in; undefined if it is in none. */
  readonly idMaps: IdMaps | undefined;
  readonly runtime: Runtime;
  readonly seccomp: boolean;
  readonly filters: FilterCache;
  /** True for a step that shares no network with the machine, and is not without one. */
  readonly isolated: boolean;
  readonly emulation: StepEmulation;
  /** Nodes of the step's filesystems cannot be opened: no rule of a control group would restrict which. */
  readonly withoutDevices: boolean;
  /** The runner disposes of it after the step's processes have ended. */
  readonly cleanup: AsyncDisposableStack;
}

/** A step whose bundle is written and whose mount points exist. */
export interface PreparedStep {
  readonly secrets: readonly SecretFile[];
  /** The profile that the runtime has to compile; undefined if there is none or the cache has its filter. */
  readonly uncompiled: SeccompProfile | undefined;
  /** False if nothing restricts which device nodes the step uses. */
  readonly guardsDevices: boolean;
}

/** Creates and returns the mount point for the step's secrets. Returns undefined if the step has no secrets. */
export function secretsDirectory(directory: string, { mounts = [] }: RunSpec): string | undefined {
  if (!mounts.some((mount) => mount.kind === "secret")) return undefined;
  const path = join(directory, "secrets");
  mkdirSync(path, { mode: 0o711 });
  return path;
}

/** Creates the control groups of a step, before its first process starts. */
export async function openStepCgroup(context: StepContext): Promise<StepCgroup> {
  const { spec, layout, runtime, directory } = context;
  const warn = (message: string): void => spec.onWarning?.(message);
  const { rules } = await devicesOf(spec, context);
  const cgroup = openCgroup({
    layout,
    runtime: runtime.name,
    name: directory.id,
    parent: spec.cgroupParent === "" ? undefined : spec.cgroupParent,
    resources: { limits: supportedLimits(spec.limits ?? {}, layout, warn), devices: rules },
    makesGroups: spec.security === "insecure",
    isUserNamespace: context.idMaps !== undefined,
    isMeasured: spec.onUsage !== undefined,
    warn,
  });
  context.cleanup.use(cgroup);
  directory.recordCgroups(cgroup.paths);
  return cgroup;
}

/** Creates everything else that a runtime needs for a step. Starts nothing. */
export async function prepareStep(context: StepContext, cgroup: StepCgroup): Promise<PreparedStep> {
  const { root, directory, layout, isolated } = context;
  const spec = withEditedEnv(context.spec);
  checkProcess(spec.process);
  const user = withGroups(userIn(root, spec.process.user), spec.edits?.additionalGids ?? []);
  const hostname = checkHostname(spec.hostname ?? DEFAULT_HOSTNAME);
  const secrets: SecretFile[] = [];
  const sources = [
    ...writeFiles(directory.path, hostname, { ...spec, isolated }),
    ...(spec.edits === undefined ? [] : editedMounts(spec.edits)),
    ...(await sourcesOf(context, secrets)),
  ];
  makeSystemDirectories(root);
  const mounts = mountsOf(context, sources);
  const capabilities = capabilitiesOf(spec, cgroup);
  const filtered = context.seccomp && spec.security !== "insecure";
  const seccomp = filtered ? defaultSeccomp({ capabilities: new Set(capabilities) }) : undefined;
  const filter = seccomp === undefined ? undefined : context.filters.get(seccomp);
  const config = runtimeConfig({
    spec,
    user,
    cwd: makeWorkingDirectory(root, spec.process.cwd, user),
    hostname,
    mounts,
    devices: ownedNodes((await devicesOf(spec, context)).devices, user),
    capabilities,
    seccomp,
    filter,
    cgroup: cgroup.config,
    cgroupNamespace: layout.kind === "v2",
  });
  writeFileSync(join(directory.path, "config.json"), config, { mode: 0o600 });
  const { guardsDevices } = cgroup;
  return { secrets, uncompiled: filter === undefined ? seccomp : undefined, guardsDevices };
}

/** Returns what a runtime needs of a process that joins a step. The process has no right that the step's first one lacks. */
export function joiningProcess(
  { spec: { security, ulimits }, root, emulation }: StepContext,
  { guardsDevices }: PreparedStep,
  { process: given, terminal, ...joining }: JoiningProcess,
): string {
  checkProcess(given);
  const process = wrapped(given, emulation);
  const spec = { process, terminal, ulimits, security: security === "insecure" ? joining.security : security };
  const capabilities = capabilitiesOf(spec, { guardsDevices });
  const user = userIn(root, process.user);
  return JSON.stringify(processOf({ spec, user, cwd: posix.join("/", process.cwd), capabilities }));
}

function mountsOf(
  { spec, root, layout, idMaps, isolated, emulation, cleanup }: StepContext,
  sources: readonly MountSource[],
): OciMount[] {
  const system = systemMounts({
    terminalGroup: idMaps === undefined || hasId(idMaps.groups, TERMINAL_GROUP) ? TERMINAL_GROUP : undefined,
    // Only in a network namespace of its own may a user namespace mount one.
    bindsSysfs: idMaps !== undefined && spec.network !== "none" && (!isolated || emulation.kind === "namespace"),
    insecure: spec.security === "insecure",
    shmSize: spec.shmSize ?? DEFAULT_SHM_SIZE,
    cgroup: layout.kind !== "none",
  });
  const mounted = system.map((mount) => mount.destination);
  const stubs = cleanup.use(new MountStubs(root, spec.keepStubParents));
  return withoutDuplicates([...system, ...placeMounts(root, sources, mounted, stubs)]);
}

/** @throws {VarveError} `invalid-build` for a process that no kernel can start. */
export function checkProcess({ args, env, cwd }: ProcessSpec): void {
  const fail = (why: string): never => {
    throw new VarveError("invalid-build", `Cannot run a step: ${why}`);
  };
  if (args.length === 0 || args[0] === "") fail("it has no command");
  if ([...args, ...env, cwd].some((text) => text.includes("\0")))
    fail("its command, environment or directory contains a NUL character");
  if (cwd.length > Limits.path) fail("the name of its working directory is too long");
}

interface StepDevices {
  readonly devices: readonly OciDevice[];
  readonly rules: readonly DeviceRule[] | "all";
}

/** Of several nodes at one path, the last one counts. */
async function devicesOf(
  { security, devices = [], edits }: RunSpec,
  { idMaps }: Pick<StepContext, "idMaps">,
): Promise<StepDevices> {
  const given = await Promise.all(devices.map((device) => deviceOf(device)));
  const edited = edits === undefined ? { devices: [], rules: [] } : editedNodes(edits);
  const common = security === "insecure" ? insecureDevices(idMaps !== undefined) : [];
  const all = [...common, ...given.map((item) => item.device), ...edited.devices];
  const byPath = new Map(all.map((device) => [device.path, device]));
  const rules = [...DEFAULT_DEVICE_RULES, ...given.map((item) => item.rule), ...edited.rules];
  return { devices: [...byPath.values()], rules: security === "insecure" ? "all" : rules };
}

/** Adds the environment of devices. Throws `unsupported` for devices that no runtime can give. */
function withEditedEnv(spec: RunSpec): RunSpec {
  const { edits, process } = spec;
  if (edits === undefined) return spec;
  checkEdits(edits);
  return { ...spec, process: { ...process, env: editedEnv(process.env, edits) } };
}

function withGroups(user: StepUser, more: readonly number[]): StepUser {
  const added = more.filter((gid) => gid !== 0 && !user.groups.includes(gid));
  return added.length === 0 ? user : { ...user, groups: [...user.groups, ...added] };
}

/** Without a control group, nothing restricts which device nodes a step uses; so it must not be able to create any. */
function capabilitiesOf(
  { security }: Pick<RunSpec, "security">,
  { guardsDevices }: Pick<StepCgroup, "guardsDevices">,
): readonly string[] {
  if (security === "insecure") return ownCapabilities();
  return sandboxCapabilities().filter((name) => guardsDevices || name !== "CAP_MKNOD");
}

function writeFiles(directory: string, hostname: string, spec: RunSpec & Pick<StepContext, "isolated">): MountSource[] {
  return generatedFiles(hostname, spec, spec.isolated).map(([target, content]) => {
    const path = join(directory, posix.basename(target));
    writeFileSync(path, content);
    // This process's umask must not make the file unreadable for the step's user.
    chmodSync(path, 0o644);
    const { destination: _, ...mount } = readonlyFile(path, target);
    return { target, kind: "file" as const, mode: 0o755, mount };
  });
}

async function sourcesOf(context: StepContext, secrets: SecretFile[]): Promise<MountSource[]> {
  const { spec, directory, secretDirectory = "", cleanup, withoutDevices } = context;
  const sources: MountSource[] = [];
  for (const mount of spec.mounts ?? [])
    sources.push(await sourceOf(mount, { directory: directory.path, secretDirectory, secrets, cleanup }));
  return withoutDevices ? sources.map(withoutNodes) : sources;
}

function withoutNodes(source: MountSource): MountSource {
  return { ...source, mount: { ...source.mount, options: [...source.mount.options, "nodev"] } };
}

/**
 * Creates the directories that the image lacks. They stay after the step, as in BuildKit. A symbolic link instead of one is an
 * error, because the runtime would mount at its target.
 */
export function makeSystemDirectories(root: Root): void {
  for (const name of ["dev", "proc", "sys"]) {
    using found = root.find(name, { follow: false });
    if (found === undefined) {
      mkdirSync(`${root.path}/${name}`, 0o755);
      chmodSync(`${root.path}/${name}`, 0o755);
    } else if (!fstatSync(found.fd).isDirectory())
      throw new VarveError("invalid-build", `Cannot run a step: /${name} of the image is not a directory`);
  }
}

/** Returns the absolute working directory, after creating it in the root filesystem if it is missing. */
export function makeWorkingDirectory(root: Root, cwd: string, user: StepUser): string {
  const path = posix.join("/", cwd);
  const target = resolveTarget(root, path, () => false);
  if (target.state === "missing") makeDirectories(root, target.path, target.missing, user);
  else if (target.state === "present" && !target.directory)
    throw new VarveError("invalid-build", `Cannot enter ${JSON.stringify(path)}: not a directory`);
  return path;
}
