import type { LocalSource } from "../../llb/index.ts";
import type { Platform } from "../../core/index.ts";
import type { ContentStore } from "../../content/index.ts";
import type { Runner } from "../../exec/index.ts";
import type { CacheMounts, Hold, Records } from "../../record/index.ts";
import type { GitSource, HttpSource, ImageSource, LocalContext, PullPolicy } from "../../source/index.ts";
import type { OpContext } from "../../solver/index.ts";
import { waitLine } from "../progress/transfers.ts";
import type { Secrets } from "../options/secrets.ts";

/** What the ops of one build work with. */
export interface OpDeps {
  readonly content: ContentStore;
  readonly records: Records;
  readonly cacheMounts: CacheMounts;
  readonly images: ImageSource;
  readonly http: HttpSource;
  readonly git: GitSource;
  /** Opens one of the build's context directories. */
  readonly local: (source: LocalSource) => Promise<LocalContext>;
  readonly secrets: Secrets;
  /** Looked for when the first step has to run. */
  readonly runner: () => Promise<Runner>;
  readonly platform: Platform;
  readonly pull: PullPolicy;
  readonly hold: Hold;
  readonly limits: StepLimits;
}

/** Settings of a build that no key depends on. */
export interface StepLimits {
  /** Bytes. */
  readonly shmSize?: number | undefined;
}

/** The lease of the build with the signal of one piece of its work, in whose log waits are told. */
export function holdFor(deps: OpDeps, { signal, report }: Pick<OpContext, "signal" | "report">): Hold {
  return { lease: deps.hold.lease, signal, onWait: (wait) => report(waitLine(wait)) };
}
