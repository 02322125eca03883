import { basename } from "node:path";
import { Limits } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import { type Bytes, decompress } from "../../io/index.ts";
import { applyLayer, readTar } from "../../layer/index.ts";
import type { Snapshotter } from "../../snapshot/index.ts";
import { commitIfAbsent, temporaryKey } from "../keys.ts";
import type { MountPoints } from "./mount-points.ts";
import type { BlobForm, Hold } from "../types.ts";

export interface UnpackDeps {
  readonly snapshotter: Snapshotter;
  readonly mounts: MountPoints;
}

export interface UnpackTarget {
  /** Name of the committed snapshot to create. */
  readonly name: string;
  readonly parent: string | undefined;
  /**
   * Keep the whiteouts of a layer without a parent, for use in a merge: there they hide files of the layers below it. Default
   * false.
   */
  readonly keepWhiteouts?: boolean | undefined;
}

/**
 * Unpacks a blob into a new snapshot, and commits the snapshot after the last byte. Removes the snapshot on failure.
 * @throws {VarveError} `corrupt` if the archive does not match the diffID of the blob.
 */
export async function unpackBlob(
  blob: BlobForm,
  bytes: Bytes,
  target: UnpackTarget,
  { deps, hold }: { readonly deps: UnpackDeps; readonly hold: Hold },
): Promise<void> {
  const { snapshotter } = deps;
  const key = temporaryKey("unpack");
  const spec = await snapshotter.prepare(key, target.parent, hold);
  try {
    const layer = { diffId: blob.diffId, what: `layer ${blob.digest}`, signal: hold.signal };
    const upper = spec.kind === "overlay" || target.keepWhiteouts === true ? snapshotter.upperDir(key) : undefined;
    if (upper === undefined) {
      await using tree = await deps.mounts.mount(spec);
      await applyLayer(bytes, tree.path, { ...layer, format: "plain" });
    } else {
      await using below =
        target.parent === undefined ? undefined : await deps.mounts.mount(await snapshotter.mounts(target.parent));
      await applyLayer(bytes, upper, {
        ...layer,
        format: "overlay",
        lowerView: below?.path,
        userXattr: snapshotter.userXattr,
      });
    }
    await commitIfAbsent(snapshotter.commit(target.name, key, hold));
  } finally {
    if (snapshotter.stat(key) !== undefined) await snapshotter.remove(key);
  }
}

/** Returns whether a layer contains whiteouts. Verifies the blob first, so that the answer is never that of a damaged blob. */
export async function hasWhiteouts(
  blob: BlobForm,
  content: ContentStore,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const what = `layer ${blob.digest}`;
  await using verified = await content.openVerified(blob.digest, { signal });
  const tar = decompress(verified.open(0, verified.size), { format: "detect", what, limit: Limits.layerUnpacked });
  for await (const { path } of readTar(tar, { what })) if (basename(path).startsWith(".wh.")) return true;
  return false;
}
