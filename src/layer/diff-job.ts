import type { Bytes } from "../io/index.ts";
import { type ByteString, pathOfByteString } from "../linux/index.ts";
import { changes } from "./diff/changes.ts";
import { archiveChanges } from "./diff/tree-archive.ts";
import { stackedUpper } from "./diff/stacked-upper.ts";
import { directoryUpper, type UpperTree } from "./diff/upper.ts";

/** The comparison of two trees. A plain value that can be sent to a thread. */
export interface DiffJob {
  readonly kind: "diff";
  readonly lower: ByteString | undefined;
  readonly upper: ByteString;
  /** The upper directories of earlier versions of the layer, topmost first. */
  readonly revises?: readonly ByteString[] | undefined;
  /** If defined, `upper` is the upper directory of an overlay, and this is the prefix of overlayfs's attributes. */
  readonly overlay: "trusted.overlay." | "user.overlay." | undefined;
}

/** Compares two trees in the current thread. Returns the difference as an archive. */
export function runDiffJob(job: DiffJob, signal: AbortSignal | undefined): Bytes {
  const below = job.lower === undefined ? undefined : pathOfByteString(job.lower);
  const above = upperOf(job);
  return archiveChanges(changes(below, above), above, { signal });
}

function upperOf({ upper, revises = [], overlay }: DiffJob): UpperTree {
  const directory = pathOfByteString(upper);
  if (overlay === undefined) return directoryUpper(directory, { kind: "tree" });
  const kind = { kind: "overlay", prefix: overlay } as const;
  return revises.length === 0
    ? directoryUpper(directory, kind)
    : stackedUpper([directory, ...revises.map(pathOfByteString)], kind);
}
