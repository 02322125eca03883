import { basePath, dirPath, joinPath } from "../../pattern/index.ts";

/**
 * Returns the paths at which to look for a Dockerfile, in order. If `Dockerfile` does not exist, `dockerfile` in the same directory
 * is used, as in BuildKit and buildx.
 */
export function dockerfileCandidates(path: string): readonly string[] {
  const name = basePath(path);
  return name === "Dockerfile" ? [path, joinPath(dirPath(path), name.toLowerCase())] : [path];
}

/**
 * Returns the paths at which to look for the ignore file of a Dockerfile, in order. Only the first one that exists is used:
 * `<Dockerfile>.dockerignore` next to the Dockerfile, or `.dockerignore` in the root of the context.
 */
export function ignoreFileCandidates(dockerfilePath: string): readonly string[] {
  const own = joinPath(dirPath(dockerfilePath), `${basePath(dockerfilePath)}.dockerignore`);
  return [own, ".dockerignore"];
}

/**
 * Returns the ignore file of a Dockerfile: the first candidate that exists.
 *
 * @example
 * chooseIgnoreFile("docker/Dockerfile", existsSync); // "docker/Dockerfile.dockerignore" or ".dockerignore"
 */
export function chooseIgnoreFile(dockerfilePath: string, exists: (path: string) => boolean): string | undefined {
  return ignoreFileCandidates(dockerfilePath).find(exists);
}
