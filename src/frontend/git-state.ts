import { VarveError, goQuote } from "../core/index.ts";
import { type GitRef, parseGitRef } from "../dockerfile/index.ts";
import { type GitOptions, type State, git, internalName } from "../llb/index.ts";

/** Returns the git source op of a repository. */
export function gitState(ref: GitRef, name: string, options: GitOptions = {}): State {
  return git(ref.remote, {
    name,
    ...(ref.ref === "" ? {} : { ref: ref.ref }),
    ...(ref.subdir === "" ? {} : { subdir: ref.subdir }),
    ...(ref.keepGitDir === true ? { keepGitDir: true } : {}),
    ...(ref.checksum === "" ? {} : { checksum: ref.checksum }),
    ...(ref.submodules === false ? { skipSubmodules: true } : {}),
    ...(ref.fetchByCommit ? { fetchByCommit: true } : {}),
    mtime: ref.mtime,
    ...options,
  });
}

/**
 * Returns a git repository as a build context, or undefined if the URL is not one of a repository. With `commitTimes`, files get the
 * time of their commit, as builds with SOURCE_DATE_EPOCH need.
 *
 * @throws {VarveError} `invalid-build` for a malformed query or fragment.
 * @example
 * const state = gitContext("https://github.com/moby/buildkit.git#master:frontend");
 */
export function gitContext(
  url: string,
  options: { readonly keepGitDir?: boolean | undefined; readonly commitTimes?: boolean | undefined } = {},
): State | undefined {
  const isShort = url.startsWith("github.com/");
  const ref = parseGitRef(isShort ? shortForm(url) : url);
  if (ref === undefined) return undefined;
  return gitState(ref, internalName(`load git source ${url}`), {
    ...(options.keepGitDir === true ? { keepGitDir: true } : {}),
    ...(options.commitTimes === true && ref.mtime === undefined ? { mtime: "commit" } : {}),
  });
}

/** Completes the short form `github.com/a/b` to a URL that ends in `.git`. */
function shortForm(url: string): string {
  const match = /^([^?#]*)(.*)$/s.exec(url);
  if (match === null) throw new VarveError("invalid-argument", `Cannot read git URL ${goQuote(url)}`);
  const [, path = "", rest = ""] = match;
  return `https://${path.endsWith(".git") ? path : `${path}.git`}${rest}`;
}
