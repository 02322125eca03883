import type { ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { peakMemoryOf } from "../../testing/process-state.ts";
import { finished } from "../../testing/varve.ts";

export type BuildOutput =
  /** The result stays in the builder's cache. */
  | { readonly kind: "none" }
  | { readonly kind: "oci"; readonly dest: string; readonly compression?: "gzip" | "uncompressed" }
  | { readonly kind: "store"; readonly name: string; readonly compression: "gzip" | "uncompressed" }
  | { readonly kind: "push"; readonly name: string };

export interface BuildRequest {
  /** Directory with a Dockerfile. */
  readonly context: string;
  /** False: nothing comes from the cache. Default true. */
  readonly cache?: boolean;
  /** Default: none. */
  readonly output?: BuildOutput;
  /** References of caches in a registry. */
  readonly cacheFrom?: string;
  readonly cacheTo?: string;
}

/** A builder with a cache of its own. */
export interface Builder {
  readonly name: string;
  /** Builds, without an output unless it is a `CompleteBuilder`. Throws with all that was printed if the build fails. */
  build(request: BuildRequest): Promise<void>;
}

/** A builder that knows every output and remote caches. */
export interface CompleteBuilder extends Builder {
  /** The process that builds for the command; undefined if the command itself does. */
  readonly daemon: number | undefined;
  /** Starts the command of a build. */
  start(request: BuildRequest): ChildProcess;
  /** Forgets everything. */
  empty(): Promise<void>;
  /** Start commands that do next to nothing. */
  readonly small: { readonly version: () => ChildProcess; readonly list: () => ChildProcess };
}

export function completeBuilder(parts: Omit<CompleteBuilder, "build">): CompleteBuilder {
  return { ...parts, build: (request) => succeed(parts.name, parts.start(request)) };
}

/** Waits for a command. Throws with all that it printed if it fails. */
export async function succeed(name: string, child: ChildProcess): Promise<void> {
  const { code, stdout, stderr } = await finished(child);
  if (code !== 0) throw new Error(`${name} exited with ${code}:\n${stdout}${stderr}`);
}

/** Milliseconds between two looks at a process that may end at any time. */
const LOOK = 5;

/** Builds. Returns the most memory, in bytes, that the command and the process behind it have had. */
export async function peakMemory(builder: CompleteBuilder, request: BuildRequest): Promise<number> {
  const { daemon } = builder;
  // The peak of a process starts again from what it has now: proc_pid_clear_refs(5).
  if (daemon !== undefined) writeFileSync(`/proc/${daemon}/clear_refs`, "5");
  const child = builder.start(request);
  const done = succeed(builder.name, child);
  let own = 0;
  const look = setInterval(() => {
    own = Math.max(own, peakMemoryOf(child.pid ?? 0));
  }, LOOK);
  await done.finally(() => clearInterval(look));
  return own + (daemon === undefined ? 0 : peakMemoryOf(daemon));
}
