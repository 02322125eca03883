import type { ExpandOptions } from "../../dockerfile/index.ts";
import type { Platform } from "../../core/index.ts";
import type { Hold } from "../../record/index.ts";
import type { Explaining } from "./explain/explaining.ts";
import type { UncheckedImages } from "./step/container-paths.ts";
import type { Containers, Output } from "./output.ts";
import type { HashedTree } from "./context/hashed-tree.ts";
import type { BuildDeps, BuildRequest } from "./types.ts";

/** What the steps of one build share. */
export interface BuildSession {
  readonly deps: BuildDeps;
  readonly request: BuildRequest;
  readonly hold: Hold & { readonly signal: AbortSignal };
  readonly output: Output;
  readonly containers: Containers;
  readonly unchecked: UncheckedImages;
  /** Number of stages of the build. */
  readonly stageCount: number;
  readonly explaining: Explaining;
  /** This machine's platform. */
  readonly host: Platform;
  /** Options and budget of variable expansion. */
  readonly expansion: ExpandOptions;
  /** The same for steps that are planned only to look ahead. */
  readonly lookAhead: ExpandOptions;
  /** Undefined for a Dockerfile without a context. */
  readonly context: HashedTree | undefined;
  /** Disposed of when the build ends. */
  readonly stack: AsyncDisposableStack;
}
