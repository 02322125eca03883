import { chainId, digestOf, goJson, normalizePlatform, type Digest, type Platform } from "../../core/index.ts";

/** The cache digest of a source. `random:` marks a session key, which is never stored. */
export type SourceDigest = Digest | `random:${string}`;

/** What a source resolved to, as the string from which its cache digest is made. */
export type SourceKey = string;

/** Returns the cache digest of a source, as BuildKit computes it. */
export function sourceDigest(key: SourceKey): SourceDigest {
  const digest = digestOf(`buildkit.source.v0:${key}`);
  return key.startsWith("session:") ? `random:${digest.slice("sha256:".length)}` : digest;
}

/** Returns the first key of an image: the digest that its reference resolved to (of an index, if it is one) and the platform. */
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
 * Returns the second key of an image: the chainID of its layers, so that images with equal layers share cached steps. Returns
 * undefined for an image without layers, which has only its manifest key.
 */
export function imageLayersKey(diffIds: readonly Digest[], layerLimit?: number): SourceKey | undefined {
  return chainId(layerLimit === undefined ? diffIds : diffIds.slice(0, layerLimit));
}

/** Returns the second key of an image whose config cannot be parsed. */
export function imageConfigKey(config: Uint8Array): SourceKey {
  return digestOf(config);
}

/** The attributes of the single file that a source consists of. */
export interface FileAttributes {
  readonly filename: string;
  /** Permission bits; 0 means the default. */
  readonly perm: number;
  readonly uid: number;
  readonly gid: number;
}

/** Returns the key of an image's blob as a file. */
export function blobKey(digest: Digest, { filename, perm, uid, gid }: FileAttributes): SourceKey {
  return digestOf(goJson({ Digest: digest, Filename: filename, Perm: perm, UID: uid, GID: gid }));
}

/** What the key of a download is made from. */
export interface HttpKeyParts extends FileAttributes {
  /** The digest of the body, or the expected digest from the source's attributes. */
  readonly checksum: Digest;
  /** The `Last-Modified` header in HTTP date format. Empty if the source has an expected digest. */
  readonly lastModified?: string | undefined;
  readonly authHeaderSecret?: string | undefined;
  /** `Accept` and `User-Agent` if the build sets them. */
  readonly headers?: ReadonlyMap<string, string> | undefined;
}

/** Returns the key of a downloaded file. The URL is not part of it. */
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

/** What the key of a client's directory is made from. */
export interface LocalKeyParts {
  readonly sessionId: string;
  readonly includePatterns?: readonly string[] | undefined;
  readonly excludePatterns?: readonly string[] | undefined;
  readonly followPaths?: readonly string[] | undefined;
  /** Paths that are transferred with their content if `metadataOnly` is set. */
  readonly metadataExceptions?: readonly string[] | undefined;
  readonly metadataOnly?: boolean | undefined;
}

/** Returns the key of a client's directory. It differs for each session. */
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

/** What the key of a git commit is made from. */
export interface GitKeyParts {
  /** The full hash of the commit. */
  readonly commit: string;
  /** The full name of the reference, if there is one. It is used only with `keepGitDir`. */
  readonly ref?: string | undefined;
  readonly keepGitDir?: boolean | undefined;
  readonly subdir?: string | undefined;
  readonly skipSubmodules?: boolean | undefined;
  readonly mtime?: string | undefined;
  readonly checkoutBundle?: boolean | undefined;
}

/** Returns the key of a git commit. It is the same for every remote. */
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
