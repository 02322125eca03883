import type { MessageInitShape } from "@bufbuild/protobuf";
import { lstatSync, readlinkSync, statSync } from "node:fs";
import { goModeOf } from "../../../filesync/index.ts";
import type { StatSchema } from "../proto/gen/fsutil_pb.ts";

export type StatMessage = MessageInitShape<typeof StatSchema>;

/**
 * Returns the message about one entry. `at` is where it is now, `path` the path that the client gets. With `follow`, `at` is a handle
 * that points to the entry.
 */
export function statMessage(at: string, path: string, follow = false): StatMessage {
  const stat = follow ? statSync(at, { bigint: true }) : lstatSync(at, { bigint: true });
  const isLink = stat.isSymbolicLink();
  const isDevice = stat.isBlockDevice() || stat.isCharacterDevice();
  return {
    path,
    mode: goModeOf(Number(stat.mode)),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: stat.isFile() ? stat.size : 0n,
    modTime: stat.mtimeNs,
    linkname: isLink ? readlinkSync(at) : "",
    ...(isDevice ? deviceOf(stat.rdev) : {}),
  };
}

/** Splits a device number as the C library does. */
function deviceOf(device: bigint): { devmajor: bigint; devminor: bigint } {
  return {
    devmajor: ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn),
    devminor: (device & 0xffn) | ((device >> 12n) & ~0xffn),
  };
}
