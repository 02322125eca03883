import type { Platform } from "../../core/index.ts";
import type { State } from "../../llb/index.ts";
import type { ImageDraft } from "../config/image-draft.ts";

/** How a stage uses its base. */
export interface BaseUse {
  /** Paths in use; undefined means all. */
  readonly paths: readonly string[] | undefined;
  /** Returns the numbered name of the step that fetches the base. */
  readonly title: (text: string) => string;
}

/** The base of a stage that is not built on another stage: an image, a named context or scratch. */
export interface ResolvedBase {
  readonly image: ImageDraft;
  /** The base image's config, if the base is an image. */
  readonly baseImage: ImageDraft | undefined;
  readonly platform: Platform;
  /** True if a named context replaces the whole stage: its instructions are not executed. */
  readonly replacesStage: boolean;
  /** True if the base could not be looked up: its config is unknown. */
  readonly isMissing: boolean;
  /** The warning of the check for an image of another platform. */
  readonly platformWarning?: string | undefined;
  makeState(use: BaseUse): State;
}
