import type { LocalSource } from "../../llb/index.ts";
import type { Platform } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import type { Runner } from "../../exec/index.ts";
import type { CacheMounts, Hold, Records } from "../../record/index.ts";
import type { GitSource, HttpSource, ImageSource, LocalContext, PullPolicy } from "../../source/index.ts";
import type { OpContext } from "../../solver/index.ts";
import { waitReporter } from "../progress/transfers.ts";
import type { BuildClient } from "../client/client.ts";

/** The services and settings that the ops of one build use. */
export interface OpDeps {
  readonly content: ContentStore;
  readonly records: Records;
  readonly cacheMounts: CacheMounts;
  readonly images: ImageSource;
  readonly http: HttpSource;
  readonly git: GitSource;
  /** Opens a context directory of the build. */
  readonly local: (source: LocalSource) => Promise<LocalContext>;
  readonly client: Pick<BuildClient, "secret" | "agent">;
  /** Returns the runner, which is found when the first step has to run. */
  readonly runner: () => Promise<Runner>;
  readonly platform: Platform;
  readonly pull: PullPolicy;
  readonly hold: Hold;
  readonly limits: StepLimits;
}

/** Settings of a build that are not part of any cache key. */
export interface StepLimits {
  /** Size of `/dev/shm` in bytes. */
  readonly shmSize?: number | undefined;
}

/** Returns the build's lease with the abort signal of one op. Waits are reported in the log of the op. */
export function holdFor(deps: OpDeps, { signal, report }: Pick<OpContext, "signal" | "report">): Hold {
  return { ...deps.hold, signal, onWait: waitReporter(report) };
}
