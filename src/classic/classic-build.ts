import type { Digest } from "../core/index.ts";
import type { BuildDeps, BuildRequest, Emit } from "./builder/types.ts";

/** As `buildClassic`, whose code is loaded when a build is first asked for: to list or remove images takes none of it. */
export async function classicBuild(
  request: BuildRequest,
  deps: BuildDeps,
  emit: Emit,
  signal: AbortSignal,
): Promise<Digest> {
  const { buildClassic } = await import("./builder/build.ts");
  return await buildClassic(request, deps, emit, signal);
}
