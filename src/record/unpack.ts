import { basename } from "node:path";
import { Limits } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import { type Bytes, decompress, verified } from "../io/index.ts";
import { applyLayer, readTar } from "../layer/index.ts";
import type { Snapshotter } from "../snapshot/index.ts";
import { commitUnlessThere, temporaryKey } from "./keys.ts";
import type { MountPoints } from "./mount-points.ts";
import type { BlobFace, Hold } from "./types.ts";

export interface UnpackDeps {
  readonly snapshotter: Snapshotter;
  readonly mounts: MountPoints;
}

export interface UnpackTarget {
  /** The committed snapshot to make. */
  readonly name: string;
  readonly parent: string | undefined;
  /** Keep what the layer deletes, for a stack it becomes a part of; a layer on nothing has nothing to delete otherwise. */
  readonly deletions?: boolean;
}

/**
 * Unpacks a blob into a snapshot, which is committed once the stream of its bytes has ended. Throws `corrupt`, and leaves
 * nothing, if it is not its diffID.
 */
export async function unpackBlob(
  blob: BlobFace,
  bytes: Bytes,
  target: UnpackTarget,
  { deps, hold }: { readonly deps: UnpackDeps; readonly hold: Hold },
): Promise<void> {
  const { snapshotter } = deps;
  const key = temporaryKey("unpack");
  const spec = await snapshotter.prepare(key, target.parent, hold);
  try {
    const what = `layer ${blob.digest}`;
    const tar = verified(tarOf(blob, bytes), { digest: blob.diffId }, { what });
    const upper = spec.kind === "overlay" || target.deletions === true ? snapshotter.upperDir(key) : undefined;
    if (upper === undefined) {
      await using tree = await deps.mounts.mount(spec);
      await applyLayer(tar, tree.path, { format: "plain", signal: hold.signal, what });
    } else {
      await using below =
        target.parent === undefined ? undefined : await deps.mounts.mount(await snapshotter.mounts(target.parent));
      await applyLayer(tar, upper, { format: "overlay", lowerView: below?.path, signal: hold.signal, what });
    }
    await commitUnlessThere(snapshotter.commit(target.name, key, hold));
  } finally {
    if (snapshotter.stat(key) !== undefined) await snapshotter.remove(key);
  }
}

/** Whether a layer deletes anything of what it is put upon. */
export async function hasWhiteouts(
  blob: BlobFace,
  content: ContentStore,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  for await (const { path } of readTar(tarOf(blob, content.open(blob.digest, { signal })), {
    what: `layer ${blob.digest}`,
  }))
    if (basename(path).startsWith(".wh.")) return true;
  return false;
}

function tarOf(blob: BlobFace, bytes: Bytes): Bytes {
  return decompress(bytes, { format: "detect", what: `layer ${blob.digest}`, limit: Limits.layerUnpacked });
}
