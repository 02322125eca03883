import { formatReference, hostPlatform, parseReference, withDefaultTag, type Digest } from "../../core/index.ts";
import { metadataOf, type OpOptions } from "./options.ts";
import { State } from "./state.ts";
import { makeVertex } from "../model/vertex.ts";

/** Returns the state of a source, with the identifier and the attributes of BuildKit's `pb.SourceOp`. */
export function source(identifier: string, attrs: ReadonlyMap<string, string>, options: OpOptions = {}): State {
  const platform = options.platform ?? hostPlatform();
  const dependsOnPlatform = /^(docker-image|oci-layout):\/\//.test(identifier);
  const vertex = makeVertex({
    op: { kind: "source", identifier, attrs },
    constraints: options.constraints ?? [],
    metadata: metadataOf(options),
    platform: dependsOnPlatform ? platform : undefined,
  });
  const state = new State({ vertex, output: 0 });
  return options.platform === undefined ? state : state.with({ platform: options.platform });
}

/** Returns the attributes that are set. Undefined and empty values are left out. */
function attrsOf(entries: Readonly<Record<string, string | undefined>>): Map<string, string> {
  const attrs = new Map<string, string>();
  for (const [key, value] of Object.entries(entries)) if (value !== undefined && value !== "") attrs.set(key, value);
  return attrs;
}

function list(patterns: readonly string[] | undefined): string | undefined {
  return patterns === undefined || patterns.length === 0 ? undefined : JSON.stringify(patterns);
}

/** Options of `image`. */
export interface ImageOptions extends OpOptions {
  readonly resolveMode?: "default" | "pull" | "local" | undefined;
  /** The expected digest. The build fails if the reference resolves to another one. */
  readonly checksum?: Digest | undefined;
  /** Number of layers to use, from the lowest. Default: all. */
  readonly layerLimit?: number | undefined;
  readonly recordType?: string | undefined;
}

/**
 * Returns the state of an image in a registry. The tag defaults to `latest`.
 *
 * @throws {VarveError} `invalid-argument` for a malformed reference.
 * @example
 * const { root } = image("alpine:3.22").run({ args: ["/bin/sh", "-c", "apk add curl"] });
 */
export function image(reference: string, options: ImageOptions = {}): State {
  const attrs = attrsOf({
    "image.resolvemode": options.resolveMode === "default" ? undefined : options.resolveMode,
    "image.recordtype": options.recordType,
    "image.layerlimit": options.layerLimit?.toString(),
    "image.checksum": options.checksum,
  });
  return source(`docker-image://${formatReference(withDefaultTag(parseReference(reference)))}`, attrs, options);
}

/** Options of `ociLayout`. */
export interface OciLayoutOptions extends OpOptions {
  readonly sessionId?: string | undefined;
  readonly storeId?: string | undefined;
  readonly layerLimit?: number | undefined;
}

/** Returns the state of an image in an OCI layout directory of the client. */
export function ociLayout(reference: string, options: OciLayoutOptions = {}): State {
  const attrs = attrsOf({
    "oci.session": options.sessionId,
    "oci.store": options.storeId,
    "oci.layerlimit": options.layerLimit?.toString(),
  });
  return source(`oci-layout://${reference}`, attrs, options);
}

/** Options of `local`. */
export interface LocalOptions extends OpOptions {
  readonly sessionId?: string | undefined;
  /** Distinguishes the vertices of two clients if there is no `sessionId`. */
  readonly uniqueId?: string | undefined;
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  readonly followPaths?: readonly string[] | undefined;
  readonly sharedKeyHint?: string | undefined;
  readonly differ?: "none" | "metadata" | undefined;
}

/** A directory of the client. */
export function local(name: string, options: LocalOptions = {}): State {
  const attrs = attrsOf({
    "local.session": options.sessionId,
    "local.includepattern": list(options.includePatterns),
    "local.followpaths": list(options.followPaths),
    "local.excludepatterns": list(options.excludePatterns),
    "local.sharedkeyhint": options.sharedKeyHint,
    "local.differ": options.differ,
  });
  if (options.sessionId === undefined) attrs.set("local.unique", options.uniqueId ?? "");
  return source(`local://${name}`, attrs, options);
}

/** Options of `git`. */
export interface GitOptions extends OpOptions {
  readonly ref?: string | undefined;
  readonly subdir?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
  /** The expected commit: its full hash or a prefix. */
  readonly checksum?: string | undefined;
  readonly skipSubmodules?: boolean | undefined;
  readonly mtime?: "checkout" | "commit" | undefined;
  readonly fetchByCommit?: boolean | undefined;
  readonly authTokenSecret?: string | undefined;
  readonly authHeaderSecret?: string | undefined;
  readonly knownSshHosts?: string | undefined;
  readonly mountSshSock?: string | undefined;
}

/** A git remote, from a URL or from `user@host:path`. */
interface GitRemote {
  readonly host: string;
  readonly path: string;
  readonly ssh: boolean;
}

const SCP = /^(?:[\w.-]+@)?([\w.-]+):(?!\/\/)(.*)$/;

function parseRemote(url: string): GitRemote | undefined {
  const scp = url.includes("://") ? null : SCP.exec(url);
  if (scp !== null) return { host: scp[1] ?? "", path: scp[2] ?? "", ssh: true };
  const parsed = URL.parse(url);
  if (parsed === null || !/^(https?|ssh|git):$/.test(parsed.protocol)) return undefined;
  return { host: parsed.host, path: decodeURIComponent(parsed.pathname), ssh: parsed.protocol === "ssh:" };
}

function gitIdentifier(url: string, remote: GitRemote | undefined, { ref = "", subdir = "" }: GitOptions): string {
  if (remote === undefined) return url;
  const path = `/${remote.path}`.replace(/\/+/g, "/").replace(/(?<=.)\/$/, "");
  if (ref === "" && subdir === "") return `${remote.host}${path}`;
  return `${remote.host}${path}#${ref}${subdir === "" ? "" : `:${subdir}`}`;
}

/** Returns the state of a commit of a git repository. A URL without a scheme gets `https`. */
export function git(url: string, options: GitOptions = {}): State {
  const known = parseRemote(url);
  const full = known === undefined && !url.includes("://") ? `https://${url}` : url;
  const remote = known ?? parseRemote(full);
  const attrs = attrsOf({
    "git.keepgitdir": options.keepGitDir === true ? "true" : undefined,
    "git.fullurl": full,
    "git.authtokensecret": options.authTokenSecret ?? "GIT_AUTH_TOKEN",
    "git.authheadersecret": options.authHeaderSecret ?? "GIT_AUTH_HEADER",
    "git.knownsshhosts": remote?.ssh === true ? options.knownSshHosts : undefined,
    "git.mountsshsock": remote?.ssh === true ? (options.mountSshSock ?? "default") : undefined,
    "git.checksum": options.checksum,
    "git.skipsubmodules": options.skipSubmodules === true ? "true" : undefined,
    "git.mtime": options.mtime,
    "git.fetchbycommit": options.fetchByCommit === true ? "true" : undefined,
  });
  return source(`git://${gitIdentifier(full, remote, options)}`, attrs, options);
}

/** Options of `http`. */
export interface HttpOptions extends OpOptions {
  readonly checksum?: Digest | undefined;
  readonly filename?: string | undefined;
  /** Permission bits. Default: 0600. */
  readonly perm?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly authHeaderSecret?: string | undefined;
  readonly accept?: string | undefined;
  readonly userAgent?: string | undefined;
}

function nonZero(value: number | undefined, base: 8 | 10): string | undefined {
  if (value === undefined || value === 0) return undefined;
  return base === 8 ? `0${value.toString(8)}` : value.toString();
}

/** Returns a state with one file that is downloaded from a URL. */
export function http(url: string, options: HttpOptions = {}): State {
  const attrs = attrsOf({
    "http.checksum": options.checksum,
    "http.filename": options.filename,
    "http.perm": nonZero(options.perm === undefined ? undefined : options.perm & 0o777, 8),
    "http.uid": nonZero(options.uid, 10),
    "http.gid": nonZero(options.gid, 10),
    "http.authheadersecret": options.authHeaderSecret,
    "http.header.accept": options.accept,
    "http.header.user-agent": options.userAgent,
  });
  return source(url, attrs, options);
}
