import type { ExpandOptions } from "../../dockerfile/index.ts";
import type { Platform } from "../../core/index.ts";
import type { Hold } from "../../record/index.ts";
import type { UncheckedImages } from "./step/container-paths.ts";
import type { Containers, Output } from "./output.ts";
import type { SourceTree } from "./context/source-tree.ts";
import type { BuildDeps, BuildRequest } from "./types.ts";

/** What all steps of one build share. */
export interface BuildContextDeps {
  readonly deps: BuildDeps;
  readonly request: BuildRequest;
  readonly hold: Hold & { readonly signal: AbortSignal };
  readonly output: Output;
  readonly containers: Containers;
  readonly unchecked: UncheckedImages;
  /** Of this machine. */
  readonly host: Platform;
  /** How words of the Dockerfile are expanded, and what that may cost. */
  readonly expansion: ExpandOptions;
  /** The same for steps that are only looked ahead to. */
  readonly lookAhead: ExpandOptions;
  /** Undefined where a Dockerfile came alone. */
  readonly context: SourceTree | undefined;
  /** Takes what has to go when the build ends. */
  readonly stack: AsyncDisposableStack;
}
