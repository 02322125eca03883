import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { TestContext } from "node:test";
import { isVarveError, type ErrorCode } from "../../src/core/index.ts";
import type { ProcessSpec, Runner, RunResult, RunSpec } from "../../src/exec/index.ts";
import { ownIdMaps } from "../../src/linux/index.ts";
import { temporaryDirectory } from "../../src/io/index.ts";
import { busyboxRootfs } from "../rootfs.ts";

/** How to make a runner of the kind under test; `unavailable` is why this machine cannot, for the tests to skip. */
export interface RunnerSetup {
  readonly unavailable: string | undefined;
  create(stateDir: string): Promise<Runner>;
  /** For a process that a test kills: what `testing/run-step.ts` takes. */
  readonly runtime: string;
  /** Steps are in a user namespace, where nobody can make devices. Default: if this process is in one. */
  readonly isUserNamespace?: boolean | undefined;
  /** What runners of this kind cannot do: the names of checks, and why. They are skipped. Default: nothing. */
  readonly impossible?: ReadonlyMap<string, string> | undefined;
}

export interface Outcome extends RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly warnings: readonly string[];
}

export type StepOptions = Partial<Omit<RunSpec, "process">> & Partial<ProcessSpec> & { readonly signal?: AbortSignal };

/** A runner and a fresh root filesystem. */
export interface Bench extends AsyncDisposable {
  readonly runner: Runner;
  readonly runtime: string;
  readonly isUserNamespace: boolean;
  readonly rootfs: string;
  readonly stateDir: string;
  /** Makes another runner of the same kind on the state directory. */
  readonly another: () => Promise<Runner>;
  /** Stands in the environment of every step. */
  readonly mark: string;
  /** Runs a shell script in the root filesystem. */
  readonly sh: (script: string, options?: StepOptions) => Promise<Outcome>;
  readonly spec: (args: readonly string[], options?: StepOptions) => RunSpec;
}

export type Check = (what: string, body: (bench: Bench, t: TestContext) => Promise<void>) => void;

export function hasCode(...codes: readonly ErrorCode[]): (error: unknown) => boolean {
  return (error) => isVarveError(error, ...codes) || assert.fail(`expected ${codes.join()}: ${String(error)}`);
}

export async function openBench(setup: RunnerSetup): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const state = stack.use(await temporaryDirectory("varve-run-"));
  const rootfs = stack.use(await busyboxRootfs());
  const runner = stack.use(await setup.create(state.path));
  const mark = `MARK=${randomUUID()}`;
  const spec: Bench["spec"] = (args, { env = [], cwd = "/", user = "", signal: _signal, ...rest } = {}) => ({
    rootfs: rootfs.path,
    ...rest,
    process: { args, env: ["PATH=/usr/bin:/bin", mark, ...env], cwd, user },
  });
  const held = stack.move();
  return {
    runner,
    runtime: setup.runtime,
    isUserNamespace: setup.isUserNamespace ?? ownIdMaps() !== undefined,
    rootfs: rootfs.path,
    stateDir: state.path,
    another: () => setup.create(state.path),
    mark,
    spec,
    sh: (script, options = {}) =>
      collectRun(runner, spec(options.args ?? ["sh", "-c", script], options), options.signal),
    [Symbol.asyncDispose]: () => held.disposeAsync(),
  };
}

async function collectRun(runner: Runner, spec: RunSpec, signal: AbortSignal | undefined): Promise<Outcome> {
  const chunks: Record<1 | 2, Uint8Array[]> = { 1: [], 2: [] };
  const warnings: string[] = [];
  const result = await runner.run(
    {
      onOutput: (stream, chunk) => void chunks[stream].push(chunk),
      onWarning: (message) => void warnings.push(message),
      ...spec,
    },
    signal === undefined ? {} : { signal },
  );
  return {
    ...result,
    stdout: Buffer.concat(chunks[1]).toString(),
    stderr: Buffer.concat(chunks[2]).toString(),
    warnings,
  };
}
