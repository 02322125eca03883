/** Where the files of a `git://` source are. */
export interface GitSourceLocation {
  /** A URL, or `user@host:path`. It may hold credentials. */
  readonly remote: string;
  /** A branch, a tag or a commit. Empty: the default branch. */
  readonly ref: string;
  /** A folder in the repository. Empty: all of it. */
  readonly subdir: string;
}

const TRANSPORT = /^(?:https?|ssh|git|file):\/\//i;
/** `user@host:path`, which git takes for SSH. */
const SCP = /^[^/:]+@[^/:]+:/;

/** Returns the location of a git source. `rest` is its identifier without `git://`. */
export function gitSourceOf(rest: string, attrs: ReadonlyMap<string, string>): GitSourceLocation {
  const at = rest.indexOf("#");
  const [ref = "", ...folders] = at < 0 ? [] : rest.slice(at + 1).split(":");
  const given = attrs.get("git.fullurl") ?? (at < 0 ? rest : rest.slice(0, at));
  const remote = TRANSPORT.test(given) || SCP.test(given) ? given : `https://${given}`;
  return { remote, ref, subdir: folders.join(":") };
}
