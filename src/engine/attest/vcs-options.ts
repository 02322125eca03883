import { realpath } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { workTreeOf } from "../../source/index.ts";
import type { BuildSettings } from "../options/options.ts";

/**
 * Returns the options by which buildx says where a context in a work tree of git comes from: the remote, the commit, and the places of
 * the context and of the Dockerfile in it. None if the context is not such a directory.
 */
export async function vcsOptions(settings: BuildSettings): Promise<[string, string][]> {
  const { context, dockerfile, gitInfo = "commit", signal } = settings;
  if (context.kind !== "directory" || gitInfo === "none") return [];
  const found = await workTreeOf(context.path, { changes: gitInfo === "changes", signal });
  if (found === undefined) return [];
  const { root, revision, remote } = found;
  const file = dockerfile?.kind === "file" ? dirname(dockerfile.path) : context.path;
  const options: [string, string | undefined][] = [
    ["vcs:localdir:context", await placeIn(root, context.path)],
    ["vcs:localdir:dockerfile", await placeIn(root, file)],
    ["vcs:revision", revision],
    ["vcs:source", remote],
  ];
  return options.filter((option): option is [string, string] => option[1] !== undefined);
}

/** The path of a directory in a work tree; undefined outside of it, because paths of this machine concern nobody. */
async function placeIn(root: string, directory: string): Promise<string | undefined> {
  const path = relative(root, await realpath(directory));
  return path.startsWith("..") ? undefined : path || ".";
}
