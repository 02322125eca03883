/**
 * What a step's container gets for a device. The fields are those of `containerEdits` in the Container Device Interface's SPEC.md,
 * versions 0.3 to 1.1.
 */
export interface ContainerEdits {
  /** `NAME=value`. A variable replaces one of the same name. */
  readonly env: readonly string[];
  readonly deviceNodes: readonly DeviceNode[];
  readonly mounts: readonly DeviceMount[];
  readonly hooks: readonly Hook[];
  readonly netDevices: readonly NetDevice[];
  readonly intelRdt?: IntelRdt | undefined;
  readonly additionalGids: readonly number[];
}

/** A device node. What is absent is taken from the machine's node at `hostPath`. */
export interface DeviceNode {
  /** In the container. */
  readonly path: string;
  /** Default: `path`. */
  readonly hostPath?: string | undefined;
  readonly type?: DeviceType | undefined;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  /** Permission bits. */
  readonly fileMode?: number | undefined;
  /** Some of `rwm`. Default: all three. */
  readonly permissions?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** A block device, a character device (two names), or a named pipe. */
export type DeviceType = (typeof DEVICE_TYPES)[number];
export const DEVICE_TYPES = ["b", "c", "u", "p"] as const;

export interface DeviceMount {
  readonly hostPath: string;
  readonly containerPath: string;
  /** Type of the filesystem. Default: a bind mount. */
  readonly type?: string | undefined;
  readonly options: readonly string[];
}

/** When a runtime runs a hook: the fields of `hooks` in the OCI runtime specification. */
export type HookName = (typeof HOOK_NAMES)[number];
export const HOOK_NAMES = [
  "prestart",
  "createRuntime",
  "createContainer",
  "startContainer",
  "poststart",
  "poststop",
] as const;

/** A program that the runtime runs. */
export interface Hook {
  readonly name: HookName;
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Seconds. */
  readonly timeout?: number | undefined;
}

/** A network interface of the machine that moves into the container. */
export interface NetDevice {
  readonly hostInterfaceName: string;
  readonly name: string;
}

/** Cache and memory bandwidth: `linux.intelRdt` of the OCI runtime specification. */
export interface IntelRdt {
  readonly closID?: string | undefined;
  readonly l3CacheSchema?: string | undefined;
  readonly memBwSchema?: string | undefined;
  readonly schemata?: readonly string[] | undefined;
  readonly enableMonitoring?: boolean | undefined;
}

/** One file of a vendor: the devices of one kind. */
export interface CdiSpec {
  /** `vendor.com/class`. */
  readonly kind: string;
  readonly annotations: ReadonlyMap<string, string>;
  readonly devices: readonly CdiSpecDevice[];
  /** Made once for all devices of the file that a step gets. */
  readonly edits: ContainerEdits;
}

export interface CdiSpecDevice {
  readonly name: string;
  readonly annotations: ReadonlyMap<string, string>;
  readonly edits: ContainerEdits;
}
