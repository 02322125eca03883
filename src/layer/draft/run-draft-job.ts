import type { Bytes } from "../../io/index.ts";
import { pathOfByteString } from "../../linux/index.ts";
import { changes } from "../diff/changes.ts";
import { archiveChanges } from "../diff/tree-archive.ts";
import { type Draft, draftUpper } from "./draft.ts";

/** The writing of a layer that was described. A plain value that can be sent to a thread. */
export interface DraftJob {
  readonly kind: "draft";
  readonly draft: Draft;
}

/** Writes a layer in the current thread. */
export function runDraftJob({ draft }: DraftJob, signal: AbortSignal | undefined): Bytes {
  const upper = draftUpper(draft);
  const lower = draft.lower === undefined ? undefined : pathOfByteString(draft.lower);
  return archiveChanges(changes(lower, upper), upper, { signal });
}
