import { type Reference, parseReference, withDefaultTag } from "../../core/index.ts";
import { apiError } from "./errors.ts";

/** Combines `repo` and `tag` into a reference. `tag` overrides a tag in `repo`. Throws 400 if they are malformed. */
export function targetReference(repository: string, tag: string | undefined): Reference {
  try {
    if (repository === "sha256") throw new Error("a digest algorithm is not a repository");
    const named = parseReference(repository);
    if (named.digest !== undefined) throw new Error("a digest is not a repository");
    const { registry, repository: path } = named;
    return withDefaultTag(tag === undefined ? named : parseReference(`${registry}/${path}:${tag}`));
  } catch (error) {
    throw apiError(400, "invalid reference format", error);
  }
}
