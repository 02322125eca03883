import { basePath, dirPath, joinPath } from "../../pattern/index.ts";

/**
 * The paths at which a Dockerfile may stand, in the order they are looked for. `dockerfile` stands in for a missing
 * `Dockerfile`, in any directory, as with BuildKit and buildx.
 */
export function dockerfileCandidates(path: string): readonly string[] {
  const name = basePath(path);
  return name === "Dockerfile" ? [path, joinPath(dirPath(path), name.toLowerCase())] : [path];
}

/**
 * The ignore files that may belong to a Dockerfile, in the order they are looked for: the first that exists counts, alone.
 * `<Dockerfile>.dockerignore` stands beside the Dockerfile, `.dockerignore` in the root of the context.
 */
export function ignoreFileCandidates(dockerfilePath: string): readonly string[] {
  const own = joinPath(dirPath(dockerfilePath), `${basePath(dockerfilePath)}.dockerignore`);
  return [own, ".dockerignore"];
}

/** Chooses among the candidates by what exists. */
export function chooseIgnoreFile(dockerfilePath: string, exists: (path: string) => boolean): string | undefined {
  return ignoreFileCandidates(dockerfilePath).find(exists);
}
