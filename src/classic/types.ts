import type { ContainerConfig, LocalImage } from "../image/index.ts";
import type { Platform } from "../core/index.ts";

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
