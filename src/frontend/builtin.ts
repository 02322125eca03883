import { type Reference, parseReference } from "../core/index.ts";

/** BuildKit's name of its built-in front end for Dockerfiles. */
const BUILTIN = "dockerfile.v0";

/** The version of `docker/dockerfile` whose language this front end has. */
export const DOCKERFILE_VERSION = "1.26.0";

const LANGUAGE = DOCKERFILE_VERSION.split(".").map(Number);

/** The repositories of BuildKit's front end for Dockerfiles. */
const REPOSITORIES: ReadonlySet<string> = new Set(["docker/dockerfile", "docker/dockerfile-upstream"]);

/** Tags that name no version: the released ones, and an old name of what has long been released. */
const UNNUMBERED: ReadonlySet<string> = new Set(["latest", "labs", "experimental"]);

const VERSION = /^(\d{1,4})(?:\.(\d{1,4}))?(?:\.\d{1,4})?(?:-rc\d{1,4})?(?:-(?:labs|experimental))?$/;

/**
 * Which front ends run as images. `auto`: those that are not `docker/dockerfile` of a version whose language is built in; `always`:
 * whatever a build names; `never`: none.
 */
export type FrontendImages = "auto" | "always" | "never";

/** All values of `FrontendImages`; the first is the default. */
export const FRONTEND_IMAGES: readonly FrontendImages[] = ["auto", "always", "never"];

/**
 * Returns true if the built-in front end may take the place of an image, because it has its language: the image is BuildKit's front end for
 * Dockerfiles, by its name, in a version that is not newer. An image that only a digest names is unknown.
 */
export function isBuiltinFrontend(image: string, images: FrontendImages = "auto"): boolean {
  if (image === BUILTIN) return true;
  if (images === "always") return false;
  const reference = readReference(image);
  if (reference === undefined || reference.registry !== "docker.io" || !REPOSITORIES.has(reference.repository))
    return false;
  const { digest, tag = digest === undefined ? "latest" : "" } = reference;
  if (UNNUMBERED.has(tag)) return reference.repository === "docker/dockerfile";
  const [, major, minor = "0"] = VERSION.exec(tag) ?? [];
  if (major === undefined) return false;
  const [ownMajor = 0, ownMinor = 0] = LANGUAGE;
  return Number(major) < ownMajor || (Number(major) === ownMajor && Number(minor) <= ownMinor);
}

/** What is no reference is run, and then fails with the error of the reference. */
function readReference(image: string): Reference | undefined {
  try {
    return parseReference(image);
  } catch {
    return undefined;
  }
}
