import { join } from "node:path";
import { StepDigests, StepTimes } from "../cache/index.ts";
import { type Digest, hostPlatform } from "../core/index.ts";
import type { Edge } from "../llb/index.ts";
import type { Hold } from "../record/index.ts";
import { GitSource, HttpSource, type ImageSource } from "../source/index.ts";
import type { LocalContexts } from "./context/local-contexts.ts";
import type { Uploads } from "./client/uploads.ts";
import type { Explaining } from "./explain/explaining.ts";
import type { OpDeps } from "./ops/deps.ts";
import type { Result } from "./ops/result.ts";
import { StepUsages } from "./ops/step-usages.ts";
import type { SessionOptions } from "./options/session-options.ts";
import type { WorkShare } from "./store/shared-work.ts";
import type { TracedRuns } from "./traced/traced-runs.ts";

/** The parts of a session that its ops use. */
export interface SessionDepsParts {
  /** The lease and the runner that it shares with other builds. */
  readonly shared: WorkShare;
  /** The id of the build. */
  readonly build: string;
  readonly fetchBlob: Hold["fetchBlob"];
  readonly images: ImageSource;
  readonly locals: LocalContexts;
  readonly uploads: Uploads;
  readonly explaining: Explaining;
  readonly project: () => string | Promise<string>;
  /** Solves an edge of a graph that a step has made. `ancestors` are the steps that contain it. */
  readonly solve: (edge: Edge, ancestors: ReadonlySet<Digest>, signal: AbortSignal) => Promise<Result>;
}

/** Loaded when a traced step needs it. */
async function openTraced(
  { records, state }: SessionOptions["store"],
  caches: Explaining["caches"],
): Promise<TracedRuns> {
  const { TracedRuns: Runs } = await import("./traced/traced-runs.ts");
  return new Runs(records, state, caches);
}

/** Returns what the ops of a session use. */
export function sessionDeps(options: SessionOptions, parts: SessionDepsParts): OpDeps {
  const { store, signal, client, loadGraph } = options;
  const { shared, build, fetchBlob, images, locals, uploads, explaining, project, solve } = parts;
  const { content, records, state, cacheMounts } = store;
  return {
    content,
    records,
    build,
    stepDigests: new StepDigests(state),
    project,
    stepTimes: new StepTimes(state),
    cacheMounts,
    images,
    http: new HttpSource({ content, records, state, upload: (url) => uploads.open(url) }),
    git: new GitSource(records, join(store.root, "git")),
    local: (source, onTransfer) => locals.open(source, onTransfer),
    client,
    runner: shared.runner,
    devices: store.devices,
    usages: new StepUsages(),
    proxy: options.proxy && { judge: options.proxy.judge, captures: new Map() },
    platform: hostPlatform(),
    pull: options.pullPolicy ?? (options.pull === true ? "always" : "missing"),
    hold: { lease: shared.lease, signal, fetchBlob },
    limits: { shmSize: options.shmSize },
    keepFailed: options.keepFailed,
    traced: { mode: options.traced, open: () => openTraced(store, explaining.caches) },
    explaining,
    nested: loadGraph && { load: loadGraph, solve },
  };
}
