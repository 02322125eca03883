import { lstatSync, statSync } from "node:fs";
import type { ContainerEdits, DeviceMount, DeviceNode, DeviceType, Hook, HookName } from "../../cdi/index.ts";
import { VarveError, errnoOf } from "../../core/index.ts";
import { splitDevice } from "../../linux/index.ts";
import type { DeviceRule } from "../cgroup/resources.ts";
import type { MountSource } from "../mounts/step-mounts.ts";
import type { StepUser } from "./user.ts";
import type { OciDevice } from "./devices.ts";

/** Returns an environment with that of devices: a variable replaces one of the same name, in its place. */
export function editedEnv(env: readonly string[], { env: edits }: Pick<ContainerEdits, "env">): string[] {
  const result = [...env];
  for (const entry of edits) {
    const prefix = entry.slice(0, entry.indexOf("=") + 1);
    const at = result.findIndex((known) => known.startsWith(prefix));
    if (at < 0) result.push(entry);
    else result[at] = entry;
  }
  return result;
}

/**
 * Returns the nodes of devices, and the control group rules that allow them. Of several nodes at one path, the last one counts.
 *
 * @throws {VarveError} `unsupported` for a node that the machine does not have and that is not described completely.
 */
export function editedNodes({ deviceNodes }: Pick<ContainerEdits, "deviceNodes">): {
  readonly devices: OciDevice[];
  readonly rules: DeviceRule[];
} {
  const devices = new Map<string, OciDevice>();
  const rules: DeviceRule[] = [];
  for (const node of deviceNodes) {
    const device = completeNode(node);
    devices.set(device.path, device);
    const { type, major, minor } = device;
    if (type !== "p") rules.push({ type: type === "b" ? "b" : "c", major, minor, access: node.permissions ?? "rwm" });
  }
  return { devices: [...devices.values()], rules };
}

/** Returns nodes that belong to the user of the step, where nothing says whose they are. */
export function ownedNodes(devices: readonly OciDevice[], { uid, gid }: Pick<StepUser, "uid" | "gid">): OciDevice[] {
  return devices.map((device) => ({
    ...device,
    uid: device.uid ?? (uid > 0 ? uid : undefined),
    gid: device.gid ?? (gid > 0 ? gid : undefined),
  }));
}

/** Takes what is absent from the machine's node. A node whose type and number are known need not be there. */
function completeNode(node: DeviceNode): OciDevice {
  const { path, hostPath = path, type, major = 0, minor = 0, fileMode, uid, gid } = node;
  const isComplete = type !== undefined && (major !== 0 || type === "p");
  const found = isComplete ? tryNodeAt(hostPath) : nodeAt(hostPath);
  const mode = fileMode ?? found?.fileMode;
  const own = { path, fileMode: mode, uid, gid };
  if (isComplete) return type === "p" ? { ...own, type } : { ...own, type, major, minor };
  const given = type === "u" ? "c" : type;
  if (found === undefined || (given !== undefined && given !== found.type))
    throw new VarveError("unsupported", `Cannot give device ${hostPath} to the step: it has another type`);
  return found.type === "p"
    ? { ...own, type: "p" }
    : { ...own, type: found.type, major: found.major, minor: found.minor };
}

interface MachineNode {
  readonly type: DeviceType;
  readonly major: number;
  readonly minor: number;
  readonly fileMode: number;
}

function tryNodeAt(path: string): MachineNode | undefined {
  try {
    return nodeAt(path);
  } catch {
    return undefined;
  }
}

function nodeAt(path: string): MachineNode {
  const fail = (why: string, cause?: unknown): never => {
    throw new VarveError("unsupported", `Cannot give device ${path} to the step: ${why}`, { cause });
  };
  try {
    const status = lstatSync(path);
    const type = status.isBlockDevice() ? "b" : status.isCharacterDevice() ? "c" : status.isFIFO() ? "p" : undefined;
    if (type !== undefined) return { type, ...splitDevice(status.rdev), fileMode: status.mode & 0o7777 };
  } catch (error) {
    fail(errnoOf(error) === "ENOENT" ? "it does not exist" : (errnoOf(error) ?? String(error)), error);
  }
  return fail("not a device");
}

/**
 * Returns the mounts of devices, those with the fewest directories in their paths first.
 *
 * @throws {VarveError} `unsupported` for something that is not on the machine.
 */
export function editedMounts({ mounts }: Pick<ContainerEdits, "mounts">): MountSource[] {
  const byTarget = new Map(mounts.map((mount) => [mount.containerPath, mount]));
  const depth = ({ containerPath }: DeviceMount): number => containerPath.split("/").filter(Boolean).length;
  return [...byTarget.values()].toSorted((a, b) => depth(a) - depth(b)).map(mountSource);
}

/** With `bind` or `rbind` among the options, or without a type, it is a bind mount, whatever the type is. */
function mountSource({ hostPath: source, containerPath: target, type, options }: DeviceMount): MountSource {
  const binds = options.some((option) => option === "bind" || option === "rbind");
  if (!binds && type !== undefined && type !== "bind" && type !== "none")
    return { target, kind: "directory", mode: 0o755, mount: { type, source, options } };
  const status = statSync(source, { throwIfNoEntry: false });
  if (status === undefined)
    throw new VarveError("unsupported", `Cannot mount ${source} for a device: it does not exist`);
  const all = binds ? options : ["rbind", ...options];
  const kind = status.isDirectory() ? "directory" : "file";
  return { target, kind, mode: 0o755, mount: { type: "bind", source, options: all } };
}

/** Returns `hooks` of a runtime configuration; undefined without any. */
export function hooksOf({ hooks }: Pick<ContainerEdits, "hooks">): Record<string, unknown> | undefined {
  if (hooks.length === 0) return undefined;
  const byName = new Map<HookName, unknown[]>();
  for (const { name, ...hook } of hooks) byName.set(name, [...(byName.get(name) ?? []), hookOf(hook)]);
  return Object.fromEntries(byName);
}

function hookOf({ path, args, env, timeout }: Omit<Hook, "name">): Record<string, unknown> {
  return { path, ...(args.length > 0 && { args }), ...(env.length > 0 && { env }), timeout };
}

/** Throws `unsupported` for what no runtime does: they ignore what they do not know, and the step would lack what it asks for. */
export function checkEdits({ netDevices }: Pick<ContainerEdits, "netDevices">): void {
  const [first] = netDevices;
  if (first === undefined) return;
  throw new VarveError(
    "unsupported",
    `Cannot give network interface ${first.hostInterfaceName} to the step: the OCI runtime moves no interfaces`,
  );
}
