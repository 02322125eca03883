import { lstatSync, readdirSync, rmdirSync } from "node:fs";
import { type Platform, VarveError, errnoOf, isVarveError } from "../../../core/index.ts";
import type { RunMount } from "../../../exec/index.ts";
import { Root, joinPath } from "../../../linux/index.ts";
import type { Hold, RecordId, Records } from "../../../record/index.ts";
import type { StageState } from "./stage-state.ts";
import { checkContainerPaths } from "./container-paths.ts";
import { stepError } from "../failure.ts";
import { hostSettings } from "./host-config.ts";
import type { Containers, Output } from "../output.ts";
import { makeDirectoriesIn } from "../copy/destination.ts";
import type { BuildDeps, BuildRequest } from "../types.ts";

export interface RunStep {
  readonly args: readonly string[];
  /** The command in error messages. */
  readonly shown: string;
  readonly env: readonly string[];
  readonly state: StageState;
  readonly platform: Platform;
  /** The record with the command's root filesystem. */
  readonly base: RecordId;
}

export interface RunDeps {
  readonly deps: BuildDeps;
  readonly request: BuildRequest;
  readonly output: Output;
  readonly containers: Containers;
  readonly hold: Hold & { readonly signal: AbortSignal };
}

/** Directories that the runtime creates as mount points. They are not part of the step's result. */
const SYSTEM = ["dev", "proc", "sys"];

/**
 * Runs a command and returns the record of the changed files. Files that it writes below a volume are discarded, but the volume's
 * directory stays.
 * @throws {VarveError} `step-failed` with `details.exitCode` for an exit code other than 0; the errors of a runner.
 */
export async function runStep(step: RunStep, { deps, request, output, containers, hold }: RunDeps): Promise<RecordId> {
  const { records } = deps.store;
  const { run } = step.state;
  if (step.args.length === 0) throw stepError("no command specified");
  await using layer = await records.begin(step.base, { description: step.args.join(" ") }, hold);
  const cwd = run.WorkingDir === undefined || run.WorkingDir === "" ? "/" : run.WorkingDir;
  checkContainerPaths(layer.path, run);
  const id = containers.create();
  const missing = SYSTEM.filter((name) => lstatSync(`${layer.path}/${name}`, { throwIfNoEntry: false }) === undefined);
  makeDirectoriesIn(layer.path, [cwd]);
  await using volumes = await openVolumes([...(run.Volumes ?? [])], { ...step, tree: layer.path }, records, hold);
  const runner = await deps.runner();
  using writer = new Writer(output);
  try {
    const { exitCode } = await runner.run(
      {
        rootfs: layer.path,
        mounts: volumes.mounts,
        platform: step.platform,
        process: { args: step.args, env: withHostname(step.env, id), cwd, user: run.User ?? "" },
        ...hostSettings(request, id),
        onOutput: (stream, chunk) => writer.write(stream, chunk),
      },
      { signal: hold.signal },
    );
    writer.end();
    if (exitCode !== 0) throw exited(step.shown, exitCode);
  } catch (error) {
    throw isVarveError(error, "step-failed") && error.cause !== EXITED ? notStarted(error) : error;
  }
  for (const name of missing) removeIfEmpty(`${layer.path}/${name}`);
  return (await layer.commit()).id;
}

const EXITED = Symbol("the command has exited");

function exited(command: string, exitCode: number): VarveError {
  return new VarveError("step-failed", `The command '${command}' returned a non-zero code: ${exitCode}`, {
    details: { exitCode },
    cause: EXITED,
  });
}

/** Removes the exit code from the error of a command that did not start: clients must not exit with it. */
function notStarted(error: VarveError): VarveError {
  const { exitCode: _none, ...details } = error.details;
  return new VarveError(error.code, error.message, { details, cause: error });
}

function withHostname(env: readonly string[], id: string): readonly string[] {
  return env.some((entry) => entry.startsWith("HOSTNAME=")) ? env : [`HOSTNAME=${id.slice(0, 12)}`, ...env];
}

function removeIfEmpty(path: string): void {
  try {
    if (readdirSync(path).length === 0) rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT" && errnoOf(error) !== "ENOTDIR") throw error;
  }
}

interface Volumes extends AsyncDisposable {
  readonly mounts: readonly RunMount[];
}

/** Mounts each volume from a second layer with the same files, which is discarded. */
async function openVolumes(
  paths: readonly string[],
  { base, tree }: { readonly base: RecordId; readonly tree: string },
  records: Records,
  hold: Hold,
): Promise<Volumes> {
  if (paths.length === 0) return { mounts: [], [Symbol.asyncDispose]: () => Promise.resolve() };
  makeDirectoriesIn(tree, paths);
  const layer = await records.begin(base, {}, hold);
  try {
    makeDirectoriesIn(layer.path, paths);
    using root = Root.open(layer.path);
    const mounts = paths.map((target): RunMount => {
      const source = String(joinPath(layer.path, root.locate(target)));
      return { kind: "bind", target, source };
    });
    return { mounts, [Symbol.asyncDispose]: () => layer[Symbol.asyncDispose]() };
  } catch (error) {
    await layer[Symbol.asyncDispose]();
    throw error;
  }
}

/** Decodes output as UTF-8 text. Characters are not split between chunks; invalid bytes are replaced. */
class Writer implements Disposable {
  readonly #output: Output;
  readonly #decoders = { 1: new TextDecoder(), 2: new TextDecoder() };

  constructor(output: Output) {
    this.#output = output;
  }

  write(stream: 1 | 2, chunk: Uint8Array): void {
    this.#send(stream, this.#decoders[stream].decode(chunk, { stream: true }));
  }

  end(): void {
    for (const stream of [1, 2] as const) this.#send(stream, this.#decoders[stream].decode());
  }

  [Symbol.dispose](): void {
    this.end();
  }

  #send(stream: 1 | 2, text: string): void {
    if (text === "") return;
    if (stream === 1) this.#output.text(text);
    else this.#output.red(text);
  }
}
