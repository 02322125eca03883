import type { ImageConfig, NamedImagesStore } from "../image/index.ts";
import type { Digest } from "../core/index.ts";
import type { OnWait } from "../io/index.ts";
import type { Records } from "../record/index.ts";
import type { OnTransfer } from "../registry/index.ts";

/** The parts of a store that hold images. Every `Store` has them. */
export interface LocalImages extends NamedImagesStore {
  readonly records: Records;
}

export interface ImageTransferOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onTransfer?: OnTransfer | undefined;
  /** Called when a request waits for a server. */
  readonly onWait?: OnWait | undefined;
}

/** Returns whether running or stopped containers use an image. */
export type InUse = (id: Digest) => "running" | "stopped" | undefined;

/** One change of a removal. References are normalised. */
export type Removal =
  | {
      readonly kind: "untagged";
      readonly reference: string;
      readonly id: Digest;
      /** Config of the image; undefined if it cannot be read. */
      readonly config: ImageConfig | undefined;
    }
  | { readonly kind: "deleted"; readonly id: Digest };
