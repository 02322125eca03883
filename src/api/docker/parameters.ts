import { type Reference, parseReference, withDefaultTag } from "../../core/index.ts";
import { apiError } from "./errors.ts";

/** The name of `repo` and `tag`; the latter wins over one in the former. Throws 400. */
export function targetReference(repository: string, tag: string | undefined): Reference {
  try {
    if (repository === "sha256") throw new Error("a digest algorithm is no name");
    const named = parseReference(repository);
    if (named.digest !== undefined) throw new Error("a digest is no name");
    const { registry, repository: path } = named;
    return withDefaultTag(tag === undefined ? named : parseReference(`${registry}/${path}:${tag}`));
  } catch (error) {
    throw apiError(400, "invalid reference format", error);
  }
}
