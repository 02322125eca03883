import { type AddInstruction, type GitRef, fault } from "../../dockerfile/index.ts";
import { goQuote, isDigest } from "../../core/index.ts";
import { type State, http } from "../../llb/index.ts";
import { basePath } from "../../pattern/index.ts";
import { gitState } from "../git-state.ts";

/** The flags of ADD that concern what it fetches. Variables are expanded already. */
type FetchFlags = Pick<AddInstruction, "checksum" | "keepGitDir">;

/**
 * Returns the repository that an ADD names. Its files have the time of the checkout.
 *
 * @throws {VarveError} `invalid-build` if the flags contradict the URL.
 */
export function addedRepository(flags: FetchFlags, ref: GitRef, name: string): State {
  const { mtime: _mtime, ...rest } = mergeGitFlags(ref, flags);
  return gitState(rest, name);
}

/**
 * Returns the download that an ADD names, and the name of its only file.
 *
 * @throws {VarveError} `invalid-build` for a malformed checksum.
 */
export function addedFile(
  { checksum }: FetchFlags,
  url: string,
  name: string,
): { readonly state: State; readonly filename: string } {
  if (checksum !== "" && !isDigest(checksum)) throw fault(`invalid checksum digest format: ${checksum}`, checksum);
  const filename = downloadName(url);
  // BuildKit's front end writes an empty text here.
  const description = { "com.docker.dockerfile.v1.command": "" };
  return { filename, state: http(url, { filename, name, description, ...(checksum === "" ? {} : { checksum }) }) };
}

function mergeGitFlags(ref: GitRef, { keepGitDir, checksum }: FetchFlags): GitRef {
  if (keepGitDir !== undefined && ref.keepGitDir !== undefined && keepGitDir !== ref.keepGitDir)
    throw fault("inconsistent keep-git-dir configuration");
  if (checksum !== "" && ref.checksum !== "" && checksum !== ref.checksum)
    throw fault(`checksum mismatch ${goQuote(checksum)} != ${goQuote(ref.checksum)}`);
  const keep = ref.keepGitDir ?? keepGitDir;
  return { ...ref, checksum: ref.checksum || checksum, ...(keep === undefined ? {} : { keepGitDir: keep }) };
}

function downloadName(url: string): string {
  const parsed = URL.parse(url);
  if (parsed === null) return "__unnamed__";
  let path = parsed.pathname;
  try {
    path = decodeURIComponent(path);
  } catch {
    // A path with malformed escapes is used as it is.
  }
  const base = basePath(path);
  return base === "." || base === "/" ? "__unnamed__" : base;
}
