import { chmodSync, fstatSync, mkdirSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, posix, resolve } from "node:path";
import { Limits, VarveError } from "../core/index.ts";
import type { Root } from "../linux/index.ts";
import { ownCapabilities, sandboxCapabilities } from "./capabilities.ts";
import { openCgroup, type StepCgroup } from "./cgroup.ts";
import type { CgroupLayout } from "./cgroup-layout.ts";
import { runtimeConfig } from "./config.ts";
import { deviceOf, insecureDevices } from "./devices.ts";
import { checkHostname, DEFAULT_HOSTNAME, hostsFile, resolversFile } from "./files.ts";
import { type OciMount, readonlyFile, systemMounts, withoutDuplicates } from "./mounts.ts";
import { DEFAULT_DEVICE_RULES, supportedLimits } from "./resources.ts";
import { type MountSource, placeMounts, type SecretFile, sourceOf } from "./step-mounts.ts";
import { makeDirectories, MountStubs } from "./stubs.ts";
import { resolveTarget } from "./target.ts";
import type { RunSpec, Runtime } from "./types.ts";
import { type StepUser, userIn } from "./user.ts";
import type { StepDirectory } from "./workspace.ts";

const DEFAULT_SHM_SIZE = 64 * 1024 * 1024;

export interface StepContext {
  readonly spec: RunSpec;
  readonly root: Root;
  readonly directory: StepDirectory;
  readonly secretDirectory: string | undefined;
  readonly layout: CgroupLayout;
  readonly runtime: Runtime;
  readonly seccomp: boolean;
  /** Disposed of when the processes of the step are gone. */
  readonly cleanup: AsyncDisposableStack;
}

/** A step whose bundle is written and whose mount points are made. */
export interface PreparedStep {
  readonly cgroup: StepCgroup;
  readonly secrets: readonly SecretFile[];
}

/** Where the step's secrets will be mounted; undefined, and no mount needed, if it has none. */
export async function secretsDirectory(directory: string, { mounts = [] }: RunSpec): Promise<string | undefined> {
  if (!mounts.some((mount) => mount.kind === "secret")) return undefined;
  const path = join(directory, "secrets");
  await mkdir(path, { mode: 0o711 });
  return path;
}

/** Makes everything a runtime needs to run a step, but starts nothing. */
export async function prepareStep(context: StepContext): Promise<PreparedStep> {
  const { spec, root, directory, cleanup, layout, seccomp } = context;
  checkProcess(spec);
  const user = userIn(root, spec.process.user);
  const hostname = checkHostname(spec.hostname ?? DEFAULT_HOSTNAME);
  const files = await writeFiles(directory.path, hostname, spec);
  const secrets: SecretFile[] = [];
  const sources = await sourcesOf(context, secrets);
  makeSystemDirectories(root);
  const insecure = spec.security === "insecure";
  const { devices, rules } = await devicesOf(spec);
  const cgroup = cleanup.use(openStepCgroup(context, rules));
  await directory.keep(cgroup.paths);
  const system = systemMounts({ insecure, shmSize: spec.shmSize ?? DEFAULT_SHM_SIZE, cgroup: layout.kind !== "none" });
  const stubs = cleanup.use(new MountStubs(root));
  const places = system.map((mount) => mount.destination);
  const placed = placeMounts(root, [...files, ...sources], places, stubs);
  const mounts: readonly OciMount[] = withoutDuplicates([...system, ...placed]);
  const capabilities = insecure ? ownCapabilities() : guarded(sandboxCapabilities(), cgroup);
  const config = runtimeConfig({
    spec: { ...spec, rootfs: resolve(spec.rootfs) },
    user,
    cwd: enterable(root, spec.process.cwd, user),
    hostname,
    mounts,
    devices,
    capabilities,
    seccomp,
    cgroup: cgroup.config,
    cgroupNamespace: layout.kind === "v2",
  });
  await writeFile(join(directory.path, "config.json"), config, { mode: 0o600 });
  return { cgroup, secrets };
}

function checkProcess({ process: { args, env, cwd } }: RunSpec): void {
  const refuse = (why: string): never => {
    throw new VarveError("invalid-build", `Cannot run a step: ${why}`);
  };
  if (args.length === 0 || args[0] === "") refuse("it has no command");
  if ([...args, ...env, cwd].some((text) => text.includes("\0")))
    refuse("its command, environment or directory holds a NUL");
  if (cwd.length > Limits.path) refuse("the name of its working directory is too long");
}

function openStepCgroup(context: StepContext, rules: Awaited<ReturnType<typeof devicesOf>>["rules"]): StepCgroup {
  const { spec, layout, runtime, directory } = context;
  const warn = (message: string): void => spec.onWarning?.(message);
  return openCgroup({
    layout,
    runtime: runtime.name,
    name: directory.id,
    ...(spec.cgroupParent === undefined || spec.cgroupParent === "" ? {} : { parent: spec.cgroupParent }),
    resources: { limits: supportedLimits(spec.limits ?? {}, layout, warn), devices: rules },
    warn,
  });
}

async function devicesOf({ security, devices = [] }: RunSpec) {
  const given = await Promise.all(devices.map((device) => deviceOf(device)));
  const own = given.map((item) => item.device);
  if (security === "insecure") return { devices: [...insecureDevices(), ...own], rules: "all" as const };
  return { devices: own, rules: [...DEFAULT_DEVICE_RULES, ...given.map((item) => item.rule)] };
}

/** A step that could use any device node must at least not make one. */
function guarded(capabilities: readonly string[], { guardsDevices }: StepCgroup): readonly string[] {
  return guardsDevices ? capabilities : capabilities.filter((name) => name !== "CAP_MKNOD");
}

async function writeFiles(directory: string, hostname: string, spec: RunSpec): Promise<MountSource[]> {
  const { extraHosts = [], network = "default", dns } = spec;
  const files: (readonly [target: string, content: string])[] = [
    ["/etc/resolv.conf", resolversFile(network, dns)],
    ["/etc/hosts", hostsFile(hostname, extraHosts)],
  ];
  if (spec.hostnameFile === true) files.push(["/etc/hostname", `${hostname}\n`]);
  return await Promise.all(
    files.map(async ([target, content]) => {
      const path = join(directory, posix.basename(target));
      await writeFile(path, content);
      // The umask of this process must not hide it from the user of the step.
      chmodSync(path, 0o644);
      const { destination: _, ...mount } = readonlyFile(path, target);
      return { target, kind: "file" as const, mode: 0o755, mount };
    }),
  );
}

async function sourcesOf(context: StepContext, secrets: SecretFile[]): Promise<MountSource[]> {
  const { spec, directory, secretDirectory = "", cleanup } = context;
  const sources: MountSource[] = [];
  for (const mount of spec.mounts ?? [])
    sources.push(await sourceOf(mount, { directory: directory.path, secretDirectory, secrets, cleanup }));
  return sources;
}

/** As in BuildKit these stay, where the image lacks them. A link in their place would lead the runtime astray. */
function makeSystemDirectories(root: Root): void {
  for (const name of ["dev", "proc", "sys"]) {
    using found = root.find(name, { follow: false });
    if (found === undefined) {
      mkdirSync(`${root.path}/${name}`, 0o755);
      chmodSync(`${root.path}/${name}`, 0o755);
    } else if (!fstatSync(found.fd).isDirectory())
      throw new VarveError("invalid-build", `Cannot run a step: /${name} of the image is not a directory`);
  }
}

/** The working directory as it is, after it has been made in the root filesystem where missing. */
function enterable(root: Root, cwd: string, user: StepUser): string {
  const wanted = posix.join("/", cwd);
  const target = resolveTarget(root, wanted, () => false);
  if (target.state === "missing") makeDirectories(root, target.path, target.missing, user);
  else if (target.state === "present" && !target.directory)
    throw new VarveError("invalid-build", `Cannot enter ${JSON.stringify(wanted)}: not a directory`);
  return wanted;
}
