import type { ImageConfig, NamedImagesStore } from "../image/index.ts";
import type { Digest } from "../core/index.ts";
import type { OnWait } from "../io/index.ts";
import type { Records } from "../record/index.ts";
import type { OnTransfer } from "../registry/index.ts";

/** The parts of a store that images are kept in. Any `Store` is one. */
export interface LocalImages extends NamedImagesStore {
  readonly records: Records;
}

export interface ImageTransferOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onTransfer?: OnTransfer | undefined;
  /** Called while another machine is waited for. */
  readonly onWait?: OnWait | undefined;
}

/** Whether containers use an image. */
export type InUse = (id: Digest) => "running" | "stopped" | undefined;

/** What a deletion did, in order. References are normalised. */
export type Removal =
  | {
      readonly kind: "untagged";
      readonly reference: string;
      readonly id: Digest;
      /** Of the image; undefined where it cannot be read. */
      readonly config: ImageConfig | undefined;
    }
  | { readonly kind: "deleted"; readonly id: Digest };
