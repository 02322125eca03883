import type { Digest, Platform } from "../core/index.ts";
import type { LintOptions, LintWarning, SourceRange } from "../dockerfile/index.ts";
import type { CdiDevice, Edge, HostIp, LinuxResources, NetMode, SourceOp, State, Ulimit } from "../llb/index.ts";
import type { ImageDraft } from "./config/image-draft.ts";

/** The main build context, from which COPY and ADD read. */
export type MainContext =
  /** A directory of the client. `name` is the name of the local source; `exclude` the patterns of its ignore file. */
  | {
      readonly kind: "local";
      readonly name?: string | undefined;
      readonly exclude?: readonly string[] | undefined;
      /** The download that the directory was made of, if there is one. */
      readonly origin?: Edge | undefined;
    }
  /** The result of a graph, such as a git repository or an unpacked archive. */
  | { readonly kind: "state"; readonly state: State };

/** A named build context. It replaces a stage, an image or a `--from` of the same name. */
export type NamedContext =
  | { readonly kind: "image"; readonly reference: string }
  /** `reference` is `store@digest`: the id of an OCI layout and the digest of a manifest in it. */
  | { readonly kind: "oci-layout"; readonly reference: string }
  /** A directory of the client. `name` is the name of its local source. */
  | { readonly kind: "local"; readonly name: string }
  | { readonly kind: "git"; readonly url: string }
  /** One file, named `context`. */
  | { readonly kind: "http"; readonly url: string }
  /** The result of another build, with its image config if it has one. */
  | { readonly kind: "result"; readonly edge: Edge | undefined; readonly config?: Uint8Array | undefined };

/** The image source's resolve mode: the host's default, always ask the registry (`pull`), or prefer a local image (`local`). */
export type ResolveMode = "default" | "pull" | "local";

/** Options of a compilation. All have the defaults of BuildKit's front end. */
export interface CompileOptions {
  /** The stage to build, by name or number. Defaults to the last one. */
  readonly target?: string | undefined;
  /** The platform to build for. Defaults to the base image's if the build platform can run it, else the build platform. */
  readonly targetPlatform?: Platform | undefined;
  /** The platform on which commands run. Defaults to this machine's. */
  readonly buildPlatform?: Platform | undefined;
  /** True if several platforms are built. Names in progress then contain the platform. */
  readonly multiPlatform?: boolean | undefined;
  readonly buildArgs?: ReadonlyMap<string, string> | undefined;
  readonly labels?: ReadonlyMap<string, string> | undefined;
  /** Steps that may not come from the cache: all (`true`), or those of the named stages. */
  readonly noCache?: boolean | readonly string[] | undefined;
  readonly context?: MainContext | undefined;
  readonly namedContexts?: ReadonlyMap<string, NamedContext> | undefined;
  readonly resolveMode?: ResolveMode | undefined;
  readonly extraHosts?: readonly HostIp[] | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  /** Size of `/dev/shm` in bytes. 0 means the runner's default. */
  readonly shmSize?: number | undefined;
  readonly cgroupParent?: string | undefined;
  readonly hostname?: string | undefined;
  /** The network of steps without `--network`. */
  readonly network?: NetMode | undefined;
  readonly devices?: readonly CdiDevice[] | undefined;
  readonly linuxResources?: LinuxResources | undefined;
  /** Prefix of cache mount ids, which separates this build's cache mounts from those of others. */
  readonly cacheNamespace?: string | undefined;
  /** The attribute `local.session` of local sources. */
  readonly sessionId?: string | undefined;
  /** True to compile every stage, and not only those that the target needs. For checks. */
  readonly allStages?: boolean | undefined;
  /** Replaces the options of the Dockerfile's `check` directive. */
  readonly lint?: LintOptions | undefined;
  /** Warnings are appended to this list, the parser's first. If the build fails, it contains those before the error. */
  readonly warnings?: LintWarning[] | undefined;
}

/** The image that a reference resolves to. */
export interface ResolvedImage {
  /** Digest of the manifest or index. */
  readonly digest: Digest;
  /** The image config for the platform, as bytes. */
  readonly config: Uint8Array;
  /** The reference to use instead, if a policy has replaced it. */
  readonly reference?: string | undefined;
}

/** A request to resolve an image reference. */
export interface ResolveRequest {
  /** Complete and normalized: `docker.io/library/alpine:3`. For an OCI layout: `name@digest`. */
  readonly reference: string;
  /** As in the Dockerfile, not normalized. */
  readonly platform: Platform;
  readonly mode: ResolveMode;
  /** Name in progress: `[internal] load metadata for docker.io/library/alpine:3`. */
  readonly name: string;
  /** The id of the OCI layout, for one. */
  readonly ociStore?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A request for the time of a source: of a repository that of the commit, of a download `Last-Modified`. */
export interface SourceTimeRequest {
  readonly source: SourceOp;
  readonly platform: Platform;
  /** Name in progress. */
  readonly name: string;
  readonly signal?: AbortSignal | undefined;
}

/** What the caller provides for a compilation. */
export interface CompileHost {
  /** Resolves an image reference to a digest and a config. */
  resolveImage(request: ResolveRequest): Promise<ResolvedImage>;
  /** Returns the patterns of a named local context's ignore file. Omit it if no named context has one. */
  ignorePatterns?(localName: string, signal?: AbortSignal): Promise<readonly string[]>;
  /** Returns the time of a source in seconds since 1970; undefined if it has none. */
  sourceTime?(request: SourceTimeRequest): Promise<number | undefined>;
}

/** A directory of the client that the graph reads. */
export interface NeededLocal {
  readonly name: string;
  readonly exclude: readonly string[];
  /** Only these paths and the targets of links among them; undefined means everything. */
  readonly followPaths: readonly string[] | undefined;
}

/** The instruction that made a vertex. */
export interface StepOrigin {
  /** The instruction as it is written, with its variables: `COPY $SOURCE /app`. */
  readonly text: string;
  /** The build arguments that are part of its key: all that a `RUN` sees, and those that another instruction names. */
  readonly args: ReadonlyMap<string, string>;
}

/** A Dockerfile, compiled for one platform. */
export interface CompileResult {
  readonly state: State;
  /** The graph to solve. Undefined if the result is empty, as for `FROM scratch` alone. */
  readonly edge: Edge | undefined;
  readonly platform: Platform;
  /** The image's config with its history. The exporter adds layers and times. */
  readonly image: ImageDraft;
  /** The unchanged config of the target's base image. */
  readonly baseImage: ImageDraft | undefined;
  /** `SOURCE_DATE_EPOCH` in seconds since 1970. */
  readonly epoch: number | undefined;
  /** The Dockerfile lines of each vertex, by digest. The main context has none. */
  readonly sources: ReadonlyMap<Digest, readonly SourceRange[]>;
  /** The instruction of each vertex that one made last, by digest. */
  readonly origins: ReadonlyMap<Digest, StepOrigin>;
  readonly warnings: readonly LintWarning[];
  readonly locals: readonly NeededLocal[];
  /** What an SBOM describes besides the result, by name: stages, and the main context as `context`. */
  readonly scans: ReadonlyMap<string, State>;
  /** Names of the compiled stages, in order. */
  readonly stages: readonly string[];
  /** True if the target is built without the cache. */
  readonly ignoreCache: boolean;
}
