import type { Lease } from "../../content/index.ts";
import type { Descriptor } from "../../core/index.ts";

/** An image to be written, under any number of names. */
export interface ArchiveImage {
  /** Of a manifest or an index in the store. */
  readonly descriptor: Descriptor;
  /** In any form; written in normalised form. */
  readonly names: readonly string[];
}

/** `docker` is `oci` with a `manifest.json` besides, which `docker load` of any age reads. */
export type ArchiveFormat = "oci" | "docker";

export interface WriteOptions {
  readonly images: readonly ArchiveImage[];
  readonly format: ArchiveFormat;
  /** What the archive says about when it was made; seconds since 1970. */
  readonly created: number;
  readonly signal?: AbortSignal | undefined;
}

export interface LoadOptions {
  /** Keeps what was loaded until it has a name or another holder. */
  readonly lease: Lease;
  readonly signal?: AbortSignal | undefined;
}

/** An image that was loaded into the store, whole and linked. */
export interface LoadedImage {
  readonly descriptor: Descriptor;
  /** Normalised; none for an image that has no name, or none that is valid. */
  readonly names: readonly string[];
}
