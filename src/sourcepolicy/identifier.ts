import { formatReference, isVarveError, parseReference, withDefaultTag } from "../core/index.ts";
import type { SourceOp } from "../llb/index.ts";
import { joinPath } from "../pattern/index.ts";

/**
 * Returns the form of a source's identifier that rules are compared with, so that a client cannot avoid a rule by writing an
 * identifier in another way: images with registry and tag, git paths without `.` and `..`.
 */
export function canonicalIdentifier({ identifier }: Pick<SourceOp, "identifier">): string {
  const [, scheme = "", rest = ""] = /^([a-z+-]+):\/\/([^]*)$/.exec(identifier) ?? [];
  switch (scheme) {
    case "docker-image":
      return canonicalImage(rest) ?? identifier;
    case "git":
      return canonicalGit(rest);
    default:
      return identifier;
  }
}

function canonicalImage(name: string): string | undefined {
  try {
    return `docker-image://${formatReference(withDefaultTag(parseReference(name)))}`;
  } catch (error) {
    if (isVarveError(error)) return undefined;
    throw error;
  }
}

/** The identifier of a repository is a host and a path, and after `#` a reference and a directory. */
function canonicalGit(rest: string): string {
  const hash = rest.indexOf("#");
  const [location, fragment] = hash < 0 ? [rest, ""] : [rest.slice(0, hash), rest.slice(hash + 1)];
  const slash = location.indexOf("/");
  const remote =
    slash < 0 || location.includes("://") || location.includes("@")
      ? location
      : location.slice(0, slash) + joinPath("/", location.slice(slash));
  if (fragment === "") return `git://${remote}`;
  const colon = fragment.indexOf(":");
  const ref = colon < 0 ? fragment : fragment.slice(0, colon);
  const subdir = colon < 0 ? "" : joinPath("/", fragment.slice(colon + 1)).slice(1);
  return ref === "" && subdir === "" ? `git://${remote}` : `git://${remote}#${ref}${subdir === "" ? "" : `:${subdir}`}`;
}
