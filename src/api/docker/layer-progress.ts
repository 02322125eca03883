import { type Digest, digestHex } from "../../core/index.ts";
import type { OnTransfer, TransferState } from "../../registry/index.ts";

/** A message about a layer, as Docker's progress streams have them. */
export interface LayerMessage {
  readonly status: string;
  readonly progressDetail: { readonly current?: number | undefined; readonly total?: number | undefined };
  readonly id: string;
}

/** Docker's messages for each state of a layer's transfer, which the `docker` command prints. */
export type LayerStatuses = Readonly<Record<TransferState, readonly string[]>>;

const COMPLETE = ["Verifying Checksum", "Download complete", "Pull complete"];

export const PULL_STATUSES: LayerStatuses = {
  waiting: ["Waiting"],
  running: ["Downloading"],
  retrying: ["Retrying"],
  done: COMPLETE,
  exists: COMPLETE,
  mounted: [],
  skipped: [],
  failed: [],
};

export const PUSH_STATUSES: LayerStatuses = {
  waiting: ["Waiting"],
  running: ["Pushing"],
  retrying: ["Retrying"],
  done: ["Pushed"],
  exists: ["Layer already exists"],
  mounted: ["Mounted"],
  skipped: ["Skipped foreign layer"],
  failed: [],
};

/** The ID under which Docker shows a layer: the first 12 digits of a digest. */
export function shortId(digest: Digest): string {
  return digestHex(digest).slice(0, 12);
}

/**
 * Returns a function that emits Docker's messages for transfers. `layers` maps the digest of each layer's blob to the digest that
 * Docker shows. Transfers of other blobs, and events after a layer is complete, are ignored.
 */
export function layerProgress(
  layers: ReadonlyMap<Digest, Digest>,
  statuses: LayerStatuses,
  emit: (message: LayerMessage) => void,
): OnTransfer {
  const complete = new Set<Digest>();
  return ({ digest, state, current, total }) => {
    const shown = layers.get(digest);
    if (shown === undefined || complete.has(digest)) return;
    if (state === "done" || state === "exists") complete.add(digest);
    const progressDetail = state === "running" ? { current, total } : {};
    for (const status of statuses[state]) emit({ status, progressDetail, id: shortId(shown) });
  };
}
