import { goQuote, parseGoBool } from "../../core/index.ts";
import { joinPath } from "../../pattern/index.ts";
import { fault } from "../source/fault.ts";

/** A parsed URL of a git repository, as in a Dockerfile or on a command line. */
export interface GitRef {
  /** The URL without fragment and query. */
  readonly remote: string;
  readonly ref: string;
  readonly subdir: string;
  readonly checksum: string;
  readonly keepGitDir?: boolean | undefined;
  readonly submodules?: boolean | undefined;
  readonly mtime?: "checkout" | "commit" | undefined;
  readonly fetchByCommit: boolean;
}

interface Remote {
  readonly remote: string;
  readonly fragment: string;
  readonly query: URLSearchParams;
}

const SCP = /^([a-zA-Z0-9_-]+)@([a-zA-Z0-9.-]+):([^?#\n\r\u2028\u2029]*)(?:\?([^#\n\r\u2028\u2029]*))?(?:#(.*))?$/;
const SCHEME = /^(https?|ssh|git):\/\//i;

function splitUrl(text: string): Remote | undefined {
  const hash = text.indexOf("#");
  const beforeHash = hash < 0 ? text : text.slice(0, hash);
  const question = beforeHash.indexOf("?");
  const remote = question < 0 ? beforeHash : beforeHash.slice(0, question);
  const url = URL.parse(remote);
  if (url === null) return undefined;
  if (/^https?:$/.test(url.protocol) && !url.pathname.endsWith(".git")) return undefined;
  const query = new URLSearchParams(question < 0 ? "" : beforeHash.slice(question + 1));
  return { remote, query, fragment: hash < 0 ? "" : decodeFragment(text.slice(hash + 1)) };
}

function decodeFragment(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Splits the URL of a git repository. Undefined for anything else, such as a path or a download. */
function parseRemote(text: string): Remote | undefined {
  if (SCHEME.test(text)) return splitUrl(text);
  const scp = SCP.exec(text);
  if (scp === null) return undefined;
  const [, user = "", host = "", path = "", query = "", fragment = ""] = scp;
  return { remote: `${user}@${host}:${path}`, query: new URLSearchParams(query), fragment };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const FLAGS = new Set(["submodules", "keep-git-dir", "fetch-by-commit"]);

function flag(key: string, value: string): boolean {
  const parsed = value === "" ? true : parseGoBool(value);
  if (parsed === undefined) throw fault(`invalid ${key} value: ${goQuote(value)}`);
  return parsed;
}

function setRef(result: Mutable<GitRef>, ref: string): void {
  if (result.ref !== "" && result.ref !== ref) throw fault(`ref conflicts: ${goQuote(result.ref)} vs ${goQuote(ref)}`);
  result.ref = ref;
}

function setMtime(result: Mutable<GitRef>, value: string): void {
  if (value !== "checkout" && value !== "commit")
    throw fault(`invalid mtime value: ${goQuote(value)} (must be "checkout" or "commit")`);
  result.mtime = value;
}

function setSubdir(result: Mutable<GitRef>, value: string): void {
  if (result.subdir !== "" && result.subdir !== value)
    throw fault(`subdir conflicts: ${goQuote(result.subdir)} vs ${goQuote(value)}`);
  result.subdir = value;
}

function under(prefix: string, name: string): string {
  return name.startsWith(prefix) ? name : prefix + name;
}

function applyQuery(result: Mutable<GitRef>, query: URLSearchParams): void {
  for (const key of new Set(query.keys())) {
    const [value = "", ...more] = query.getAll(key);
    if (more.length > 0) throw fault(`query ${goQuote(key)} has multiple values`);
    if (value === "" && !FLAGS.has(key)) throw fault(`query ${goQuote(key)} has no value`);
    if (key === "ref") setRef(result, value);
    else if (key === "subdir") setSubdir(result, value);
    else if (key === "checksum" || key === "commit") result.checksum = value;
    else if (key === "keep-git-dir") result.keepGitDir = flag(key, value);
    else if (key === "submodules") result.submodules = flag(key, value);
    else if (key === "fetch-by-commit") result.fetchByCommit = flag(key, value);
    else if (key === "mtime") setMtime(result, value);
    else if (key !== "tag" && key !== "branch") throw fault(`unexpected query ${goQuote(key)}`);
  }
  const tag = query.get("tag");
  const branch = query.get("branch");
  if (tag !== null && branch !== null) throw fault("branch conflicts with tag");
  if (tag !== null) setRef(result, under("refs/tags/", tag));
  if (branch !== null) setRef(result, under("refs/heads/", branch));
}

/**
 * Parses the URL of a git repository: `https://…/x.git#ref:dir`, `git@host:path`, optionally with `?branch=…&subdir=…`. Returns
 * undefined for anything else.
 * @throws {VarveError} `invalid-build` for an invalid query
 *
 * @example
 * parseGitRef("https://example.com/a.git#v1:docs")?.subdir; // "docs"
 */
export function parseGitRef(text: string): GitRef | undefined {
  if (text.startsWith("./") || text.startsWith("../")) return undefined;
  const found = parseRemote(text);
  if (found === undefined) return undefined;
  const [ref = "", ...subdir] = found.fragment.split(":");
  const result: Mutable<GitRef> = {
    remote: found.remote,
    ref,
    subdir: joinPath("/", subdir.join(":")).slice(1),
    checksum: "",
    fetchByCommit: false,
  };
  applyQuery(result, found.query);
  return result;
}

/** Returns whether a text is the URL of a download, not of a git repository. */
export function isHttpSource(text: string): boolean {
  if (!text.startsWith("http://") && !text.startsWith("https://")) return false;
  return !isGitSource(text);
}

/** Returns whether a text is the URL of a git repository, even one with an invalid query. */
export function isGitSource(text: string): boolean {
  try {
    return parseGitRef(text) !== undefined;
  } catch {
    return true;
  }
}
