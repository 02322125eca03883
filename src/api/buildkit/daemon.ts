import type { Platform, TracedSetting } from "../../core/index.ts";
import type { Collector } from "../../caches/index.ts";
import type { JsonValue } from "../../core/index.ts";
import type { Store } from "../../engine/index.ts";
import type { FrontendImages } from "../../frontend/index.ts";
import { BuildHistory, type HistoryLimits } from "../../history/index.ts";
import type { PruneRequest } from "../../record/index.ts";
import { ContextMemory } from "../../source/index.ts";
import { Jobs } from "./jobs/jobs.ts";
import type { FrontendHost } from "./frontend/request.ts";
import type { Job } from "./jobs/job.ts";
import { ProducedResults } from "./result/produced.ts";
import { SessionManager } from "./session/manager.ts";
import { machinePlatforms, workerFacts } from "./worker/facts.ts";
import { workerId } from "./worker/identity.ts";

/** Settings of a server. */
export interface DaemonOptions {
  readonly store: Store;
  /** The entitlements that clients may grant to their builds. Default: none. */
  readonly entitlements?: readonly string[] | undefined;
  /** Labels of the worker, besides those that it always has. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** The platforms that the worker lists, the default one first. Default: those that this machine can run. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Collects the store's cache after builds. Default: nothing is collected. */
  readonly collector?: Collector | undefined;
  /** How many builds the history keeps. Default: as BuildKit. */
  readonly history?: Partial<HistoryLimits> | undefined;
  /** Facts about this builder that provenance contains, by name. */
  readonly provenance?: Readonly<Record<string, JsonValue>> | undefined;
  /** Receives what the operator of the server should know, such as a build that could not be recorded. Default: nobody does. */
  readonly onWarning?: ((text: string) => void) | undefined;
  /**
   * Add why a step was not cached to its log, and record what explains later misses. If not, exported caches contain what BuildKit's do and
   * nothing else. Default: true.
   */
  readonly explains?: boolean | undefined;
  /** How RUN steps are traced that have no directive; see `BuildSettings.traced`. */
  readonly traced?: TracedSetting | undefined;
  /** Which front ends run as images. Default: those that the built-in one cannot take the place of. */
  readonly frontendImages?: FrontendImages | undefined;
  /** The repositories whose images may be front ends, normalised. Default: all. */
  readonly frontendRepositories?: readonly string[] | undefined;
  /** The steps of all builds reach others by a proxy only. Default: those of builds that ask for it. */
  readonly proxyNetwork?: boolean | undefined;
  /** Called for each image that a build puts into the store of Docker's daemon, before the client has its answer. */
  readonly onImage?: ((image: StoredImage) => Promise<void>) | undefined;
}

/** An image that a client of Docker's daemon has built. */
export interface StoredImage {
  /** Digest of its manifest or index. */
  readonly digest: string;
  /** Normalised references, each once. */
  readonly names: readonly string[];
}

/** The state and the settings that all calls of BuildKit's API share. */
export interface Daemon extends Disposable {
  readonly store: Store;
  readonly sessions: SessionManager;
  readonly contexts: ContextMemory;
  readonly produced: ProducedResults;
  readonly jobs: Jobs<Job>;
  readonly history: BuildHistory;
  readonly entitlements: ReadonlySet<string>;
  readonly collector: Collector | undefined;
  readonly provenance: Readonly<Record<string, JsonValue>>;
  readonly onImage: DaemonOptions["onImage"];
  readonly explains: boolean;
  readonly frontends: FrontendHost;
  readonly traced: TracedSetting | undefined;
  readonly proxyNetwork: boolean;
  readonly warn: (text: string) => void;
  /** The policies of collection, as clients list them. */
  readonly policies: readonly PruneRequest[];
  /** Identifies this server's store to clients: 25 characters of base 36, always the same for a root. */
  readonly workerId: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Returns the state of a server. Disposing of it stops its timers. */
export async function openDaemon(options: DaemonOptions): Promise<Daemon> {
  const { store, entitlements = [], labels = {}, history, collector, onImage } = options;
  const given = options.platforms;
  const platforms = given === undefined ? machinePlatforms : () => Promise.resolve(given);
  const { provenance = {} } = options;
  const jobs = new Jobs<Job>();
  const id = await workerId(store.root);
  return {
    store,
    sessions: new SessionManager(),
    contexts: new ContextMemory(),
    produced: new ProducedResults(),
    jobs,
    history: new BuildHistory(store.state, history),
    entitlements: new Set(entitlements),
    collector,
    provenance,
    onImage,
    explains: options.explains ?? true,
    frontends: {
      images: options.frontendImages ?? "auto",
      repositories: options.frontendRepositories ?? [],
      worker: workerFacts(store, { id, labels, platforms }, await store.networks.mode()),
    },
    traced: options.traced,
    proxyNetwork: options.proxyNetwork ?? false,
    warn: options.onWarning ?? (() => undefined),
    policies: (await collector?.policies()) ?? [],
    workerId: id,
    labels,
    [Symbol.dispose]: () => jobs[Symbol.dispose](),
  };
}
