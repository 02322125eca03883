import type { FrontendImages } from "../../../frontend/index.ts";
import type { DockerfileBuild, DockerfileRequest } from "../dockerfile/compile.ts";
import type { BuildPolicies } from "../policy/build-policy.ts";
import type { ProducedResults } from "../result/produced.ts";
import type { FrontendResult } from "../result/result.ts";
import type { WorkerFacts } from "../worker/facts.ts";
import type { FrontendBudget } from "./image/budget.ts";

/** What the builder lets front ends that are images do, and says to them. */
export interface FrontendHost {
  /** Which front ends run as images. */
  readonly images: FrontendImages;
  /** The repositories whose images may be front ends, normalised: `docker.io/docker/dockerfile`. Empty: all. */
  readonly repositories: readonly string[];
  readonly worker: WorkerFacts;
}

/** The client of a build, as front ends need it. */
export interface FrontendClient {
  /** The id of its session; empty if it has none. */
  readonly sessionId: string;
  /** Reads which sessions have the directories of a build, from the attributes of a front end. */
  useSessions(attributes: ReadonlyMap<string, string>): void;
}

/** What all requests to front ends in one build share. */
export interface FrontendBuild extends Pick<DockerfileBuild, "session" | "stack" | "loading"> {
  readonly client: FrontendClient;
  readonly policies: BuildPolicies;
  readonly produced: ProducedResults;
  readonly host: FrontendHost;
  readonly budget: FrontendBudget;
  /** Runs a front end by its name: `runFrontend`, which front ends that are images call too. */
  readonly run: (name: string, request: FrontendRequest) => Promise<FrontendResult>;
}

/** A request to a front end by its name. */
export interface FrontendRequest extends Pick<DockerfileRequest, "attributes" | "inputs" | "context" | "trace"> {
  readonly build: FrontendBuild;
  /** The inputs as the client serialised them. */
  readonly definitions: ReadonlyMap<string, Uint8Array>;
}
