import type { ContainerConfig, LocalImage } from "../image/index.ts";
import type { Platform } from "../core/index.ts";

/** A step to look up in the cache. */
export interface ProbeStep {
  /** The container config that the step would commit: the run config with the step's own `Cmd`. */
  readonly config: ContainerConfig;
  /** The run config after the step, which becomes the config of its image. */
  readonly runConfig: ContainerConfig;
  /** The stage's platform: that of `FROM --platform`, else the build's, else this machine's. */
  readonly platform: Platform;
}

/** Returns the n-th step after the one being looked up, counted from 1. Undefined after the last, or if it is not known yet. */
export type Following = (n: number) => Promise<ProbeStep | undefined>;

/** The cache's answer for a step. */
export type ProbeAnswer =
  | {
      readonly kind: "hit";
      readonly image: LocalImage;
      /** The image was built here; is a cache source itself; or was restored from an earlier step of a cache source. */
      readonly how: "local" | "source" | "restored";
    }
  | { readonly kind: "miss" };
