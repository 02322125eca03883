import { DOCKERFILE_VERSION } from "../../../frontend/index.ts";

/** The version of BuildKit's API that clients find here. Some clients compare it, so that it is a version of BuildKit's. */
const API_VERSION = "v0.31.0-varve";

/** Returns `BuildkitVersion` of the API. */
export function buildkitVersion(): { package: string; version: string; revision: string; dockerfileVersion: string } {
  return { package: "varve", version: API_VERSION, revision: "", dockerfileVersion: DOCKERFILE_VERSION };
}
