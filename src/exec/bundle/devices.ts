import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { posix } from "node:path";
import type { DeviceType } from "../../cdi/index.ts";
import { VarveError } from "../../core/index.ts";
import { splitDevice } from "../../linux/index.ts";
import type { DeviceRule } from "../cgroup/resources.ts";
import type { DeviceSpec } from "../types.ts";

/** An entry of `linux.devices` of a runtime configuration: OCI runtime specification, config-linux.md. */
export interface OciDevice {
  readonly path: string;
  readonly type: DeviceType;
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  readonly fileMode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** Nodes that BuildKit creates for insecure steps, so that they can mount images and run virtual machines. */
const INSECURE: readonly (readonly [path: string, major: number, minor: number])[] = [
  ["/dev/kmsg", 1, 11],
  ["/dev/cuse", 10, 203],
  ["/dev/fuse", 10, 229],
  ["/dev/kvm", 10, 232],
  ["/dev/net/tun", 10, 200],
  ["/dev/loop-control", 10, 237],
];
const LOOP_MAJOR = 7;
const LOOPS = 8;

/**
 * Returns the device nodes of an insecure step.
 * @param existing - Only those that the machine has: a runtime in a user namespace binds them, because it cannot make any.
 */
export function insecureDevices(existing = false): OciDevice[] {
  const common = { fileMode: 0o660, uid: 0, gid: 0 };
  const all = [
    ...INSECURE.map(([path, major, minor]): OciDevice => ({ path, type: "c", major, minor, ...common })),
    ...Array.from({ length: LOOPS }, (_, minor): OciDevice => ({
      path: `/dev/loop${minor}`,
      type: "b",
      major: LOOP_MAJOR,
      minor,
      ...common,
    })),
  ];
  return existing ? all.filter(({ path }) => existsSync(path)) : all;
}

/**
 * Returns a device of this machine as the step sees it, and the control group rule that allows it.
 * @throws {VarveError} `invalid-argument` if it does not exist, is no device, or `permissions` are malformed.
 */
export async function deviceOf({
  source,
  target = source,
  permissions = "rwm",
}: DeviceSpec): Promise<{ device: OciDevice; rule: DeviceRule }> {
  const status = await stat(source).catch((error: unknown) => {
    throw new VarveError("invalid-argument", `Cannot give device ${source} to the step: it does not exist`, {
      cause: error,
    });
  });
  const type = status.isBlockDevice() ? "b" : "c";
  if (type === "c" && !status.isCharacterDevice())
    throw new VarveError("invalid-argument", `Cannot give ${source} to the step: not a device`);
  if (!/^[rwm]{1,3}$/.test(permissions))
    throw new VarveError(
      "invalid-argument",
      `Cannot give device ${source} to the step: permissions ${JSON.stringify(permissions)} contain other letters than r, w and m`,
    );
  const { major, minor } = splitDevice(status.rdev);
  return {
    device: {
      path: posix.join("/", target),
      type,
      major,
      minor,
      fileMode: status.mode & 0o777,
      uid: status.uid,
      gid: status.gid,
    },
    rule: { type, major, minor, access: permissions },
  };
}
