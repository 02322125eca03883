import { resolve } from "node:path";
import { VarveError, throwIfAborted, toVarveError } from "../core/index.ts";
import { Root } from "../linux/index.ts";
import type { RunMount, RunOptions, RunResult, RunSpec, RunningStep } from "./types.ts";

/** Runs a step that `start` starts, as `Runner.run`. `started` is called when it has started. */
export async function runToEnd(
  start: () => Promise<RunningStep>,
  { signal, started }: RunOptions & { readonly started: () => void },
): Promise<RunResult> {
  throwIfAborted(signal, "run a step");
  try {
    await using step = await start();
    throwIfAborted(signal, "run a step");
    using aborted = abortion(signal);
    started();
    // When aborted, nobody waits for the listener.
    await Promise.race([step.first.drained, aborted.promise]);
    return await Promise.race([step.first.exited, aborted.promise]);
  } catch (error) {
    throwIfAborted(signal, "run a step");
    throw toVarveError(firstError(error), "run a step");
  }
}

/** Starts a step, as `Runner.start`. */
export async function startOnly(start: () => Promise<RunningStep>): Promise<RunningStep> {
  try {
    return await start();
  } catch (error) {
    throw toVarveError(firstError(error), "start a step");
  }
}

/** A promise that rejects when a signal is aborted. */
function abortion(signal: AbortSignal | undefined): Disposable & { readonly promise: Promise<never> } {
  const aborted = Promise.withResolvers<never>();
  aborted.promise.catch(() => undefined);
  const abort = (): void => aborted.reject(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  return { promise: aborted.promise, [Symbol.dispose]: () => signal?.removeEventListener("abort", abort) };
}

/** Returns the first error, where cleaning up after it failed too. */
function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

/** Resolves relative paths at this process's working directory, because the runtime starts in another one. */
export function absolutePaths(spec: RunSpec): RunSpec {
  const mounts = spec.mounts?.map((mount): RunMount => {
    if (mount.kind === "bind") return { ...mount, source: resolve(mount.source) };
    return mount.kind === "ssh" ? { ...mount, socket: resolve(mount.socket) } : mount;
  });
  return { ...spec, rootfs: resolve(spec.rootfs), mounts };
}

/** @throws {VarveError} `not-found` if it is no directory. */
export function openRootfs(path: string): Root {
  try {
    return Root.open(path);
  } catch (error) {
    throw new VarveError("not-found", `Cannot run a step in ${path}: not a directory`, { cause: error });
  }
}
