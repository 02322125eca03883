import type { Platform } from "../../core/index.ts";
import type { State } from "../../llb/index.ts";
import type { ImageConfig } from "../config/image.ts";

/** How a stage's own state asks its base for a state. */
export interface BaseUse {
  /** Paths in use; undefined = all. */
  readonly paths: readonly string[] | undefined;
  /** The name of the step that fetches the base, numbered. */
  readonly title: (text: string) => string;
}

/** What a stage that is not built on another begins with. */
export interface ResolvedBase {
  readonly image: ImageConfig;
  /** The config of the image it is, if it is one. */
  readonly baseImage: ImageConfig | undefined;
  readonly platform: Platform;
  /** A named context stands for the whole stage: its instructions are not run. */
  readonly replacesStage: boolean;
  /** It could not be looked up: nothing is known of its config. */
  readonly isMissing: boolean;
  /** What the check says of an image that is for another platform. */
  readonly platformWarning?: string | undefined;
  makeState(use: BaseUse): State;
}
