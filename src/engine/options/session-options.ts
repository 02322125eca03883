import type { CompileHost } from "../../frontend/index.ts";
import type { JudgeUrl } from "../../network/index.ts";
import type { PullPolicy } from "../../source/index.ts";
import type { BuildClient } from "../client/client.ts";
import type { NestedGraphs } from "../ops/deps.ts";
import type { Progress } from "../progress/progress.ts";
import type { Store } from "../store/store.ts";
import type { BuildSettings } from "./options.ts";

export interface SessionOptions extends Pick<
  BuildSettings,
  "cacheFrom" | "cachePatience" | "explain" | "normalizeContext" | "pull" | "traced" | "shmSize" | "signal"
> {
  readonly store: Store;
  /** Id of the build in the history. Default: the id of its lease. */
  readonly ref?: string | undefined;
  /** Returns what says which project is built: builds of one project have equal ones. Default: "". */
  readonly project?: (() => string | Promise<string>) | undefined;
  /** Propose flags of `varve build` where they would help, in reasons why steps ran. Default: true. */
  readonly hints?: boolean | undefined;
  readonly client: BuildClient;
  readonly progress: Progress;
  /** The entitlements of the build. See `allowedEntitlements`. */
  readonly allowed: ReadonlySet<string>;
  /** Reads graphs that steps find in files, with the checks that the build's own graph had. Absent: such steps are an error. */
  readonly loadGraph?: NestedGraphs["load"] | undefined;
  /** Steps reach others by a proxy only, which records what they request. `judge` decides about each URL. Absent: no proxy. */
  readonly proxy?: { readonly judge?: JudgeUrl | undefined } | undefined;
  /** See `OpDeps.keepFailed`. */
  readonly keepFailed?: boolean | undefined;
  /** Returns what compiling a Dockerfile calls instead of the session's own functions. Default: these. */
  readonly wrapHost?: ((own: CompileHost) => CompileHost) | undefined;
  /** Where images are looked up that a graph does not say it for. Default: the store, then the registry; with `pull` the registry. */
  readonly pullPolicy?: PullPolicy | undefined;
}
