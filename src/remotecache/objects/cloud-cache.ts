import type { Digest } from "../../core/index.ts";
import type { OnWait } from "../../io/index.ts";
import type { Asking, OpenedObject } from "../../objectstore/index.ts";
import type { OnTransfer } from "../../registry/index.ts";
import type { PlaceTargetOptions } from "../export/document-writer.ts";
import type { PruneTargetOptions, PrunedTarget } from "../export/prune.ts";
import type { CacheTarget } from "../export/target.ts";
import type { CacheOrigin } from "../import/origin.ts";

/** The types of caches in clouds, as attributes name them. */
export type CloudType = "azblob" | "gha" | "s3";

/** The blobs of a cache in a cloud. */
export interface CloudBlobs extends Disposable {
  /** Shown to users. It contains no secrets. */
  readonly name: string;
  /** Opens a blob. Returns undefined if it does not exist. */
  blob(digest: Digest, asking: Asking): Promise<OpenedObject | undefined>;
}

/** Options of a target in a cloud. */
export interface CloudTargetOptions extends PlaceTargetOptions {
  readonly onEvent?: OnTransfer | undefined;
}

/** A cache in a cloud that is open. Every method throws what the store throws. */
export interface OpenCloudCache extends CloudBlobs {
  /** Returns its documents. Together they are the cache. All have the same source. */
  origins(onWait?: OnWait): readonly CacheOrigin[];
  target(options: CloudTargetOptions): CacheTarget;
  /** Checks before a build that the cache can be written, as far as the store can tell. Creates what a target needs. */
  prepare(asking: Asking): Promise<void>;
  prune(options: PruneTargetOptions): Promise<PrunedTarget>;
}

/** A cache in a cloud, described by attributes. */
export interface CloudCache {
  readonly type: CloudType;
  /** Differs for other attributes, such as other keys. It contains no secrets. */
  readonly id: string;
  /** The source of its layers, as records name it: a URL without secrets, from which `openCloudBlobs` opens the store again. */
  readonly source: string;
  /** For people: `s3://bucket/prefix`. */
  readonly name: string;
  /** Identifies what is written: two exports with the same are duplicates. It contains no secrets. */
  readonly documents: string;
  /** Opens the store. The caller disposes of it. */
  readonly open: () => Promise<OpenCloudCache>;
}
