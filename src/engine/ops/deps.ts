import type { Definition, Edge, LocalSource } from "../../llb/index.ts";
import type { Digest, Platform, TracedSetting } from "../../core/index.ts";
import type { StepDigests, StepTimes } from "../../cache/index.ts";
import type { Devices } from "../../cdi/index.ts";
import type { ContentStore } from "../../content/index.ts";
import type { Runner } from "../../exec/index.ts";
import type { BlobOptions, CacheMounts, Hold, Records } from "../../record/index.ts";
import type { JudgeUrl, ProxyCapture } from "../../network/index.ts";
import type { GitSource, HttpSource, ImageSource, LocalContext, PullPolicy } from "../../source/index.ts";
import type { OpContext } from "../../solver/index.ts";
import type { Explaining } from "../explain/explaining.ts";
import type { TracedRuns } from "../traced/traced-runs.ts";
import { waitReporter } from "../progress/transfers.ts";
import type { BuildClient } from "../client/client.ts";
import type { Result } from "./result.ts";
import type { StepUsages } from "./step-usages.ts";

/** The services and settings that the ops of one build use. */
export interface OpDeps {
  readonly content: ContentStore;
  readonly records: Records;
  /** ID of the build. */
  readonly build: string;
  readonly stepDigests: StepDigests;
  /** Returns the name of the project, for times of steps. */
  readonly project: () => string | Promise<string>;
  /** Records how long steps take. */
  readonly stepTimes: StepTimes;
  /** False: the content of records has no digest, because they may not be read. Default: true. */
  readonly readsRecords?: boolean | undefined;
  readonly cacheMounts: CacheMounts;
  readonly images: ImageSource;
  readonly http: HttpSource;
  readonly git: GitSource;
  /** Opens a context directory of the build. `onTransfer` is called with the bytes that its client has sent so far. */
  readonly local: (source: LocalSource, onTransfer?: (bytes: number) => void) => Promise<LocalContext>;
  readonly client: Pick<BuildClient, "secret" | "agent" | "openStore">;
  /** Returns the runner, which is found when the first step has to run. */
  readonly runner: () => Promise<Runner>;
  /** Returns the devices that the machine has now. */
  readonly devices: () => Promise<Devices>;
  /** Gets what steps use. */
  readonly usages: StepUsages;
  /** Set if steps reach others by a proxy only. */
  readonly proxy?: StepProxies | undefined;
  readonly platform: Platform;
  readonly pull: PullPolicy;
  readonly hold: Hold;
  readonly limits: StepLimits;
  /** Set if no step needs the files of the op, only an exporter its blob: how to make the blob. */
  readonly blobs?: BlobOptions | undefined;
  /**
   * Set if the layer of the op may be a new version of an earlier one: how many layers the graph may put on top of it. Absent if a
   * merge puts the layer on top of others.
   */
  readonly layersAbove?: number | undefined;
  /** Builds graphs that an op reads from a file. Absent: ops of that kind are an error. */
  readonly nested?: NestedGraphs | undefined;
  /** Keep what a failed op wrote, so that its error says where it is (`opFailureOf`). Default: false. */
  readonly keepFailed?: boolean | undefined;
  /** Traced runs of steps. `mode` is how steps are traced whose policy says nothing; undefined: not at all. */
  readonly traced?: { readonly mode: TracedSetting | undefined; open(): Promise<TracedRuns> } | undefined;
  /** Explains and records the steps of the build. */
  readonly explaining?: Explaining | undefined;
  /** The ops that are building the graph of these deps, if an op builds it. */
  readonly ancestors?: ReadonlySet<Digest> | undefined;
}

/** What exec ops use. */
export type ExecDeps = Pick<
  OpDeps,
  "records" | "cacheMounts" | "client" | "runner" | "devices" | "usages" | "proxy" | "hold" | "limits" | "keepFailed"
>;

/** The proxies of the steps of one build. */
export interface StepProxies {
  /** Decides about each URL that a step requests. Absent: all are allowed. */
  readonly judge?: JudgeUrl | undefined;
  /** What steps have requested, by the digests of their vertices. Steps from a cache have none. */
  readonly captures: Map<Digest, ProxyCapture>;
}

/** How an op builds a graph. */
export interface NestedGraphs {
  /** Reads a graph, with the checks and policies that the build's own graph had. Undefined is scratch. */
  load(definition: Definition, signal: AbortSignal): Promise<Edge | undefined>;
  /** Solves a graph in a job of its own. Its ops have these `ancestors` in their deps. */
  solve(edge: Edge, ancestors: ReadonlySet<Digest>, signal: AbortSignal): Promise<Result>;
}

/** Settings of a build that are not part of any cache key. */
export interface StepLimits {
  /** Size of `/dev/shm` in bytes. */
  readonly shmSize?: number | undefined;
}

/** Returns the build's lease with the abort signal of one op. Waits are reported in the log of the op. */
export function holdFor(deps: Pick<OpDeps, "hold">, { signal, report }: Pick<OpContext, "signal" | "report">): Hold {
  return { ...deps.hold, signal, onWait: waitReporter(report) };
}
