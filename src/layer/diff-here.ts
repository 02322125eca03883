import type { Bytes } from "../io/index.ts";
import { type ByteString, pathOfByteString } from "../linux/index.ts";
import { changes } from "./diff/changes.ts";
import { archiveChanges } from "./diff/tree-archive.ts";

/** The trees that a layer lies between. */
export interface Difference {
  readonly lower: ByteString | undefined;
  readonly upper: ByteString;
  /** The upper tree is an overlay's upper directory, and this the prefix of the overlay's own attributes. */
  readonly overlay: "trusted.overlay." | "user.overlay." | undefined;
}

/** The archive of a difference, found in this thread. */
export function diffHere({ lower, upper, overlay }: Difference, signal: AbortSignal | undefined): Bytes {
  const kind = overlay === undefined ? ({ kind: "tree" } as const) : ({ kind: "overlay", prefix: overlay } as const);
  const below = lower === undefined ? undefined : pathOfByteString(lower);
  return archiveChanges(changes(below, pathOfByteString(upper), kind), pathOfByteString(upper), { signal });
}
