import type { Lease } from "../../content/index.ts";
import type { Descriptor } from "../../core/index.ts";

/** An image to write, with any number of names. */
export interface ArchiveImage {
  /** The descriptor of a manifest or an index in the store. */
  readonly descriptor: Descriptor;
  /** In any form. They are written in normalised form. */
  readonly names: readonly string[];
}

/** `docker` is `oci` with an additional `manifest.json`, which every version of `docker load` reads. */
export type ArchiveFormat = "oci" | "docker";

/** Options of `writeArchive` and `writeLayout`. */
export interface WriteOptions {
  readonly images: readonly ArchiveImage[];
  readonly format: ArchiveFormat;
  /** The creation time in the archive's index, in seconds since 1970. */
  readonly created: number;
  readonly signal?: AbortSignal | undefined;
}

/** Options of `loadArchive` and `loadLayout`. */
export interface LoadOptions {
  /** Keeps the loaded blobs until the image has a name or is kept otherwise. */
  readonly lease: Lease;
  readonly signal?: AbortSignal | undefined;
}

/** An image that was loaded into the store, checked and linked. */
export interface LoadedImage {
  readonly descriptor: Descriptor;
  /** Normalised. Empty for an image without a valid name. */
  readonly names: readonly string[];
}
