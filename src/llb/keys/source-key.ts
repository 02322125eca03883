import { chainId, digestOf, goJson, normalizePlatform, type Digest, type Platform } from "../../core/index.ts";

/** The op cache digest of a source. `random:` stands for what only the running session can know, and is never stored. */
export type SourceDigest = Digest | `random:${string}`;

/** What a source resolved to, as the text its cache key is made of. */
export type SourceKey = string;

export function sourceDigest(key: SourceKey): SourceDigest {
  const digest = digestOf(`buildkit.source.v0:${key}`);
  return key.startsWith("session:") ? `random:${digest.slice("sha256:".length)}` : digest;
}

/** The first key of an image: what its reference resolved to (an index if it is one), for a platform. */
export function imageManifestKey(resolved: Digest, platform: Platform, layerLimit?: number): SourceKey {
  const target = normalizePlatform(platform);
  return digestOf(
    goJson({
      Digest: resolved,
      OS: target.os,
      Arch: target.architecture,
      Variant: target.variant,
      OSVersion: target.osVersion,
      OSFeatures: target.osFeatures,
      Limit: layerLimit,
    }),
  );
}

/**
 * The second key of an image: the chainID of its layers, so that images with equal layers share what is built on them.
 * Undefined for an image without layers, which has its manifest key only.
 */
export function imageLayersKey(diffIds: readonly Digest[], layerLimit?: number): SourceKey | undefined {
  return chainId(layerLimit === undefined ? diffIds : diffIds.slice(0, layerLimit));
}

/** The second key of an image whose config is of an unknown form. */
export function imageConfigKey(config: Uint8Array): SourceKey {
  return digestOf(config);
}

/** How a single file that is a source's whole content looks. */
export interface FileAttributes {
  readonly filename: string;
  /** Permission bits; 0 is the default. */
  readonly perm: number;
  readonly uid: number;
  readonly gid: number;
}

/** A blob of an image as a file. */
export function blobKey(digest: Digest, { filename, perm, uid, gid }: FileAttributes): SourceKey {
  return digestOf(goJson({ Digest: digest, Filename: filename, Perm: perm, UID: uid, GID: gid }));
}

export interface HttpKeyParts extends FileAttributes {
  /** Of the body, or as given. */
  readonly checksum: Digest;
  /** The `Last-Modified` header in HTTP date format; empty if the checksum was given. */
  readonly lastModified?: string | undefined;
  readonly authHeaderSecret?: string | undefined;
  /** `Accept` and `User-Agent` if the build sets them. */
  readonly headers?: ReadonlyMap<string, string> | undefined;
}

/** A downloaded file: the URL is not part of it. */
export function httpKey(parts: HttpKeyParts): SourceKey {
  const headers = [...(parts.headers ?? [])].sort(([a], [b]) => (a < b ? -1 : 1));
  return digestOf(
    goJson({
      Filename: parts.filename,
      Perm: parts.perm,
      UID: parts.uid,
      GID: parts.gid,
      Checksum: parts.checksum,
      LastModTime: parts.lastModified || undefined,
      AuthHeaderSecret: parts.authHeaderSecret || undefined,
      Header: headers.length === 0 ? undefined : headers.map(([name, value]) => ({ Name: name, Value: value })),
    }),
  );
}

export interface LocalKeyParts {
  readonly sessionId: string;
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  readonly followPaths?: readonly string[] | undefined;
  /** Only metadata is transferred, but for these paths. */
  readonly metadataExceptions?: readonly string[] | undefined;
  readonly metadataOnly?: boolean | undefined;
}

/** A directory of the client: never the same in two sessions. */
export function localKey(name: string, parts: LocalKeyParts): SourceKey {
  const exceptions = parts.metadataExceptions ?? [];
  const digest = digestOf(
    goJson({
      SessionID: parts.sessionId,
      IncludePatterns: parts.includePatterns ?? null,
      ExcludePatterns: parts.excludePatterns ?? null,
      FollowPaths: parts.followPaths ?? null,
      MetadataTransfer: parts.metadataOnly === true ? true : undefined,
      MetadataExceptions: exceptions.length === 0 ? undefined : exceptions,
    }),
  );
  return `session:${name}:${digest}`;
}

export interface GitKeyParts {
  /** The commit, in full. */
  readonly commit: string;
  /** The full name of the reference, if there is one; it counts only with `keepGitDir`. */
  readonly ref?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
  readonly subdir?: string | undefined;
  readonly skipSubmodules?: boolean | undefined;
  readonly mtime?: string | undefined;
  readonly checkoutBundle?: boolean | undefined;
}

/** A commit: the same from any remote. */
export function gitKey(parts: GitKeyParts): SourceKey {
  const { commit, ref = "", subdir = "", mtime = "" } = parts;
  const gitDir = parts.keepGitDir === true ? `.git${ref === "" ? "" : `#${ref}`}` : "";
  return [
    commit,
    gitDir,
    subdir === "" ? "" : `:${subdir}`,
    parts.skipSubmodules === true ? "(skip-submodules)" : "",
    mtime === "" || mtime === "checkout" ? "" : `(mtime=${mtime})`,
    parts.checkoutBundle === true ? "(bundle)" : "",
  ].join("");
}
