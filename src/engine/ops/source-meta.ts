import { type Digest, type Platform, normalizePlatform } from "../../core/index.ts";
import type { SourceOp } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import {
  type AttestationChain,
  type ChecksumRequest,
  type GitFacts,
  type GitObjects,
  factsOf,
} from "../../source/index.ts";
import { clientStore } from "./attributes.ts";
import type { OpDeps } from "./deps.ts";
import { gitTime, resolveGit } from "./source-git.ts";
import { httpTime, resolveHttp } from "./source-http.ts";
import { findInLayout, pullPolicy } from "./source-image.ts";

/** A question about a source. Settings for other kinds of sources are ignored. */
export interface SourceMetaRequest {
  readonly source: SourceOp;
  /** Default: the platform of the build. */
  readonly platform?: Platform | undefined;
  /** `default`, `pull` or `local`. Default: the source's own mode. */
  readonly resolveMode?: string | undefined;
  readonly image?: ImageMetaRequest | undefined;
  readonly git?: { /** Include the objects themselves. */ readonly returnObject?: boolean | undefined } | undefined;
  readonly http?: { readonly checksum?: ChecksumRequest | undefined } | undefined;
}

/** What is asked about an image. */
export interface ImageMetaRequest {
  /** Do not include the config. */
  readonly noConfig?: boolean | undefined;
  readonly attestationChain?: boolean | undefined;
  /** Types of attestations whose statements are included. With any, the chain is included. */
  readonly resolveAttestations?: readonly string[] | undefined;
}

/** What is known about a source before its files are fetched. One of the optional fields is there, if the source is of its kind. */
export interface SourceMeta {
  readonly source: SourceOp;
  readonly image?: ImageMeta | undefined;
  readonly git?: GitFacts | GitObjects | undefined;
  readonly http?: HttpMeta | undefined;
}

export interface ImageMeta {
  /** Digest of the index if there is one, else of the manifest. */
  readonly digest: Digest;
  /** The serialised config. */
  readonly config?: Uint8Array | undefined;
  readonly attestationChain?: AttestationChain | undefined;
}

export interface HttpMeta {
  readonly checksum: Digest;
  readonly filename: string;
  /** Milliseconds since 1970. */
  readonly lastModified?: number | undefined;
  readonly checksumResponse?: { readonly digest: string; readonly suffix: Uint8Array } | undefined;
}

/** What the answers are made with. */
export type MetaDeps = Pick<OpDeps, "images" | "http" | "git" | "client" | "content" | "platform" | "pull">;

/**
 * Answers a question about a source, as BuildKit's `ResolveSourceMeta` does. Within a build, the source then means what the answer
 * says. Policies are not asked.
 *
 * @throws {VarveError} The errors of the source's kind. A source of another kind, such as a local directory, has no metadata.
 */
export async function resolveSourceMeta(request: SourceMetaRequest, deps: MetaDeps, hold: Hold): Promise<SourceMeta> {
  const { source } = request;
  const [, scheme = "", rest = ""] = /^([a-z0-9+-]+):\/\/(.*)$/s.exec(source.identifier) ?? [];
  switch (scheme) {
    case "docker-image":
      return { source, image: await imageMeta(rest, request, deps, hold) };
    case "oci-layout":
      return { source, image: await layoutMeta(rest, request, deps, hold) };
    case "git":
      return { source, git: await gitMeta(rest, request, deps, hold) };
    case "http":
    case "https":
      return { source, http: await httpMeta(request, deps, hold) };
    default:
      return { source };
  }
}

/** Whether a source may have a time, by its scheme. */
export function mayHaveTime({ identifier }: SourceOp): boolean {
  return /^(?:git|https?):\/\//.test(identifier);
}

/** Returns the time of a repository or download in seconds since 1970; undefined if it has none. Throws as `resolveSourceMeta`. */
export async function sourceTime(source: SourceOp, deps: MetaDeps, hold: Hold): Promise<number | undefined> {
  const { identifier, attrs } = source;
  const repository = identifier.startsWith("git://") ? identifier.slice("git://".length) : undefined;
  return repository === undefined
    ? await httpTime(identifier, attrs, deps, hold)
    : await gitTime(repository, attrs, deps, hold);
}

function platformOf({ platform }: SourceMetaRequest, deps: MetaDeps): Platform {
  return platform === undefined ? deps.platform : normalizePlatform(platform);
}

async function imageMeta(name: string, request: SourceMetaRequest, deps: MetaDeps, hold: Hold): Promise<ImageMeta> {
  const { source, image: asked = {}, resolveMode } = request;
  const platform = platformOf(request, deps);
  const policy = pullPolicy(resolveMode ?? source.attrs.get("image.resolvemode") ?? "", deps.pull);
  const image = await deps.images.resolve(name, { platform, policy }, hold);
  const { resolveAttestations: predicates = [] } = asked;
  const wantsChain = asked.attestationChain === true || predicates.length > 0;
  return {
    digest: image.digest,
    config: asked.noConfig === true ? undefined : image.configBytes,
    attestationChain: wantsChain ? await deps.images.attestations(image, platform, predicates, hold) : undefined,
  };
}

async function layoutMeta(name: string, request: SourceMetaRequest, deps: MetaDeps, hold: Hold): Promise<ImageMeta> {
  const platform = platformOf(request, deps);
  const store = clientStore(request.source.attrs);
  const { digest, configBytes } = await findInLayout({ store, name, platform }, deps, hold);
  return { digest, config: request.image?.noConfig === true ? undefined : configBytes };
}

async function gitMeta(
  identifier: string,
  { source, git }: SourceMetaRequest,
  deps: MetaDeps,
  hold: Hold,
): Promise<GitFacts | GitObjects> {
  const resolved = await resolveGit(identifier, source.attrs, deps, hold);
  return git?.returnObject === true ? await deps.git.objects(resolved, hold) : factsOf(resolved);
}

async function httpMeta({ source, http }: SourceMetaRequest, deps: MetaDeps, hold: Hold): Promise<HttpMeta> {
  const resolved = await resolveHttp(source.identifier, source.attrs, deps, hold);
  const { checksum, filename, lastModified } = resolved;
  const asked = http?.checksum;
  return {
    checksum,
    filename,
    lastModified: lastModified === undefined ? undefined : Date.parse(lastModified),
    checksumResponse:
      asked === undefined
        ? undefined
        : { digest: await deps.http.suffixedDigest(resolved, asked, hold), suffix: asked.suffix },
  };
}
