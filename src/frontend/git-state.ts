import { VarveError, goQuote } from "../core/index.ts";
import { type GitRef, parseGitRef } from "../dockerfile/index.ts";
import { type GitOptions, type State, git, internalName } from "../llb/index.ts";

/** The repository as a source of a graph. */
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
 * A git repository as a build context; undefined if the URL is not one. With `commitTimes` files have the time of their
 * commit, as a build with SOURCE_DATE_EPOCH wants.
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

/** `github.com/a/b` stands for a repository without `.git`. */
function shortForm(url: string): string {
  const match = /^([^?#]*)(.*)$/s.exec(url);
  if (match === null) throw new VarveError("invalid-argument", `Cannot read git URL ${goQuote(url)}`);
  const [, path = "", rest = ""] = match;
  return `https://${path.endsWith(".git") ? path : `${path}.git`}${rest}`;
}
