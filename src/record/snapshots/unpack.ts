import { basename } from "node:path";
import { Limits } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { type Bytes, decompress } from "../../io/index.ts";
import { applyLayer, readTar } from "../../layer/index.ts";
import type { Snapshotter } from "../../snapshot/index.ts";
import { commitUnlessThere, temporaryKey } from "../keys.ts";
import type { MountPoints } from "./mount-points.ts";
import type { BlobFace, Hold } from "../types.ts";

export interface UnpackDeps {
  readonly snapshotter: Snapshotter;
  readonly mounts: MountPoints;
}

export interface UnpackTarget {
  /** The committed snapshot to make. */
  readonly name: string;
  readonly parent: string | undefined;
  /** Keep what the layer deletes, for a stack it becomes a part of; a layer on nothing has nothing to delete otherwise. */
  readonly deletions?: boolean | undefined;
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
    const layer = { diffId: blob.diffId, what: `layer ${blob.digest}`, signal: hold.signal };
    const upper = spec.kind === "overlay" || target.deletions === true ? snapshotter.upperDir(key) : undefined;
    if (upper === undefined) {
      await using tree = await deps.mounts.mount(spec);
      await applyLayer(bytes, tree.path, { ...layer, format: "plain" });
    } else {
      await using below =
        target.parent === undefined ? undefined : await deps.mounts.mount(await snapshotter.mounts(target.parent));
      await applyLayer(bytes, upper, { ...layer, format: "overlay", lowerView: below?.path });
    }
    await commitUnlessThere(snapshotter.commit(target.name, key, hold));
  } finally {
    if (snapshotter.stat(key) !== undefined) await snapshotter.remove(key);
  }
}

/** Whether a layer deletes anything of what it is put upon. Nothing is said of a damaged blob. */
export async function hasWhiteouts(
  blob: BlobFace,
  content: ContentStore,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const what = `layer ${blob.digest}`;
  await using verified = await content.openVerified(blob.digest, { signal });
  const tar = decompress(verified.open(0, verified.size), { format: "detect", what, limit: Limits.layerUnpacked });
  for await (const { path } of readTar(tar, { what })) if (basename(path).startsWith(".wh.")) return true;
  return false;
}
