import type { ContentStore } from "../content/index.ts";
import type { Descriptor, Digest, Platform } from "../core/index.ts";
import type { ContainerConfig, ImageConfig, ImageLayer, ImageStore } from "../image/index.ts";
import type { Records } from "../record/index.ts";
import type { State } from "../state/index.ts";

/** What this room needs of a root. */
export interface ClassicStore {
  readonly state: State;
  readonly content: ContentStore;
  readonly images: ImageStore;
  readonly records: Records;
}

/** An image of one platform whose manifest and config are in the store. */
export interface LocalImage {
  /** Digest of the config. */
  readonly id: Digest;
  readonly manifest: Descriptor;
  readonly config: ImageConfig;
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
  /** Id of the image it was made from, which may be gone. Undefined for one made from nothing, pulled or loaded. */
  readonly parent: Digest | undefined;
  /** True if a step or a commit on this machine made it. */
  readonly builtHere: boolean;
  /** What it was committed with. Undefined for an image that was not built here. */
  readonly containerConfig: ContainerConfig | undefined;
}

/** A step as the cache is asked for it. */
export interface ProbeStep {
  /** What the step would commit as container config: the run config with the step's own `Cmd`. */
  readonly config: ContainerConfig;
  /** The run config after the step: the config of the image it makes. */
  readonly runConfig: ContainerConfig;
  /** Of the stage: that of `FROM --platform`, else the build's, else this machine's. */
  readonly platform: Platform;
}

/** The n-th step after the one being probed, from 1; undefined past the stage's end or where it cannot be told. */
export type Following = (n: number) => Promise<ProbeStep | undefined>;

export type ProbeAnswer =
  | {
      readonly kind: "hit";
      readonly image: LocalImage;
      /** From the chain of images built here, a source's own last step, or made from a step within a source. */
      readonly how: "local" | "source" | "restored";
    }
  | { readonly kind: "miss" };

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

/** Why a deletion was refused: `details.conflict` of the `busy` error. */
export interface RemoveConflict {
  readonly reason: "several-references" | "children" | "in-use";
  /** True if force would help. */
  readonly soft: boolean;
  readonly id: Digest;
}
