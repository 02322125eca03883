import type { Bytes } from "../io/index.ts";
import { type ByteString, pathOfByteString } from "../linux/index.ts";
import { changes } from "./diff/changes.ts";
import { archiveChanges } from "./diff/tree-archive.ts";
import { directoryUpper } from "./diff/upper.ts";

/** The comparison of two trees. A plain value that can be sent to a thread. */
export interface DiffJob {
  readonly kind: "diff";
  readonly lower: ByteString | undefined;
  readonly upper: ByteString;
  /** If defined, `upper` is the upper directory of an overlay, and this is the prefix of overlayfs's attributes. */
  readonly overlay: "trusted.overlay." | "user.overlay." | undefined;
}

/** Compares two trees in the current thread. Returns the difference as an archive. */
export function runDiffJob({ lower, upper, overlay }: DiffJob, signal: AbortSignal | undefined): Bytes {
  const kind = overlay === undefined ? ({ kind: "tree" } as const) : ({ kind: "overlay", prefix: overlay } as const);
  const below = lower === undefined ? undefined : pathOfByteString(lower);
  const above = directoryUpper(pathOfByteString(upper), kind);
  return archiveChanges(changes(below, above), above, { signal });
}
