import { isVarveError } from "../core/index.ts";
import { git } from "./git-command.ts";

/** What git says of a directory in one of its work trees. */
export interface WorkTree {
  /** The topmost directory of the work tree. */
  readonly root: string;
  /** The commit that is checked out, and `-dirty` behind it if changes were looked for and found. */
  readonly revision: string;
  /** The URL of the remote that the branch tracks, of `origin`, or of `upstream`, as it is configured. */
  readonly remote: string | undefined;
}

export interface WorkTreeOptions {
  /** Look for files that are not as they were committed. Git reads them, by the filters that the repository names. Default false. */
  readonly changes?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Keeps git from starting the monitor that a repository names. */
const NO_PROGRAMS = ["-c", "core.fsmonitor=false"];

/**
 * Asks git about a directory. Returns undefined if it is in no work tree, nothing was committed yet, or git is not installed.
 *
 * @throws {VarveError} `cancelled` after an abort.
 */
export async function workTreeOf(
  cwd: string,
  { changes = false, signal }: WorkTreeOptions = {},
): Promise<WorkTree | undefined> {
  const ask = (...args: readonly string[]): Promise<string> => git([...NO_PROGRAMS, ...args], { cwd, signal });
  const [root = "", commit = "", branch = ""] = lines(
    await orNothing(ask("rev-parse", "--show-toplevel", "HEAD", "--abbrev-ref", "HEAD")),
  );
  if (root === "" || commit === "") return undefined;
  const [remote, changed] = await Promise.all([
    orNothing(ask("config", "--local", "--get-regexp", String.raw`^(remote\..*\.url|branch\..*\.remote)$`)),
    changes ? orNothing(ask("status", "--porcelain")) : "",
  ]);
  return { root, revision: changed === "" ? commit : `${commit}-dirty`, remote: remoteOf(lines(remote), branch) };
}

async function orNothing(output: Promise<string>): Promise<string> {
  try {
    return await output;
  } catch (error) {
    if (isVarveError(error, "remote", "unsupported")) return "";
    throw error;
  }
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

/** Reads lines such as `remote.origin.url https://…`. */
function remoteOf(settings: readonly string[], branch: string): string | undefined {
  const values = new Map(
    settings.map((line) => {
      const at = line.indexOf(" ");
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  const tracked = values.get(`branch.${branch}.remote`);
  return [tracked, "origin", "upstream"]
    .map((name) => values.get(`remote.${name}.url`))
    .find((url) => url !== undefined);
}
