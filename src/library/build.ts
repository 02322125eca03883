import {
  type BuildResult,
  type BuildSettings,
  type Description,
  type DescriptionKind,
  type ForeignFrontends,
  absolutePaths,
  serveBuild,
  serveDescription,
} from "../engine/index.ts";
import { type Store, partsOf } from "./store.ts";

/** Runs front ends that are images. BuildKit's API is loaded when one has to run. */
const frontends: ForeignFrontends = {
  run: async (request) => {
    const { imageFrontends } = await import("../api/buildkit/index.ts");
    return await imageFrontends.run(request);
  },
};

export interface BuildOptions extends BuildSettings {
  readonly store: Store;
}

/**
 * Builds a Dockerfile and writes the outputs that are asked for. When it returns or throws, no mount, process or temporary file
 * of the build is left.
 *
 * @throws {VarveError} `invalid-build` if the Dockerfile or the context is wrong, `step-failed` if a step exits with an error,
 * `remote`, `unauthorized` or `not-found` for registries and other servers, `unsupported` if the machine lacks something,
 * `cancelled` if `signal` is aborted.
 *
 * @example
 * const { digest, steps } = await build({
 *   store,
 *   context: { kind: "directory", path: "." },
 *   tags: ["app:1"],
 *   onEvent: (event) => console.log(event.kind),
 * });
 */
export async function build({ store, ...settings }: BuildOptions): Promise<BuildResult> {
  return await serveBuild(absolutePaths({ ...settings, store: partsOf(store) }), { frontends });
}

/**
 * Describes a Dockerfile without building it, as text: `check` runs BuildKit's lint rules, `outline` lists the arguments, secrets
 * and mounts that a target takes, `targets` lists the stages. No step runs; a registry is asked only for configs of base images.
 *
 * @throws {VarveError} as `build`.
 */
export async function describeDockerfile(
  { store, ...settings }: BuildOptions,
  kind: DescriptionKind,
): Promise<Description> {
  return await serveDescription(absolutePaths({ ...settings, store: partsOf(store) }), kind, { frontends });
}
