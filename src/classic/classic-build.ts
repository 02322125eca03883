import type { Digest } from "../core/index.ts";
import type { BuildDeps, BuildRequest, Emit } from "./builder/types.ts";

/**
 * Builds an image as Docker's classic builder does, and returns its id. Output and step images are reported in the words of the
 * Docker Engine API. The builder's code is loaded at the first call.
 *
 * @throws {VarveError} Messages are those of the Docker daemon. `details.apiStatus` is the HTTP status for an error before the
 * first message; `details.exitCode` is that of a command that failed. `cancelled` on abort.
 * @example
 * const id = await classicBuild(request, { store, runner, pull, contexts, repositories }, (message) => send(message), signal);
 */
export async function classicBuild(
  request: BuildRequest,
  deps: BuildDeps,
  emit: Emit,
  signal: AbortSignal,
): Promise<Digest> {
  const { buildClassic } = await import("./builder/build.ts");
  return await buildClassic(request, deps, emit, signal);
}
