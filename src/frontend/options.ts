import type { Digest, Platform } from "../core/index.ts";
import type { LintOptions, LintWarning, SourceRange } from "../dockerfile/index.ts";
import type { CdiDevice, Edge, HostIp, LinuxResources, NetMode, State, Ulimit } from "../llb/index.ts";
import type { ImageConfig } from "./config/image.ts";

/** Where files that are not in the Dockerfile come from. */
export type MainContext =
  /** A directory of the client. `name` is the name of the local source; `exclude` the patterns of its ignore file. */
  | { readonly kind: "local"; readonly name?: string | undefined; readonly exclude?: readonly string[] | undefined }
  /** Anything a graph can make: a git repository, an unpacked archive. */
  | { readonly kind: "state"; readonly state: State };

/** A named build context: it replaces a stage, an image or a `--from` of its name. */
export type NamedContext =
  | { readonly kind: "image"; readonly reference: string }
  /** `reference` is `store@digest`: the id of a layout and a manifest in it. */
  | { readonly kind: "oci-layout"; readonly reference: string }
  /** A directory of the client, by the name of its local source. */
  | { readonly kind: "local"; readonly name: string }
  | { readonly kind: "git"; readonly url: string }
  /** One file, named `context`. */
  | { readonly kind: "http"; readonly url: string }
  /** The result of another build, with its image config if it has one. */
  | { readonly kind: "result"; readonly edge: Edge | undefined; readonly config?: Uint8Array | undefined };

/** How images are found: as the registry says, always asking it, or a local one first. */
export type ResolveMode = "default" | "pull" | "local";

export interface CompileOptions {
  /** The stage to build, by name or number; the last one unless given. */
  readonly target?: string | undefined;
  /** What to build for; undefined: the build platform, or what the base image is for. */
  readonly targetPlatform?: Platform | undefined;
  /** Where commands run by default; the host unless given. */
  readonly buildPlatform?: Platform | undefined;
  /** More than one platform is built: names in progress say which. */
  readonly multiPlatform?: boolean | undefined;
  readonly buildArgs?: ReadonlyMap<string, string> | undefined;
  readonly labels?: ReadonlyMap<string, string> | undefined;
  /** True: no step may come from the cache; names: those stages' steps. */
  readonly noCache?: boolean | readonly string[] | undefined;
  readonly context?: MainContext | undefined;
  readonly namedContexts?: ReadonlyMap<string, NamedContext> | undefined;
  readonly resolveMode?: ResolveMode | undefined;
  readonly extraHosts?: readonly HostIp[] | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  /** Bytes of `/dev/shm`; 0 is the runner's default. */
  readonly shmSize?: number | undefined;
  readonly cgroupParent?: string | undefined;
  readonly hostname?: string | undefined;
  /** The network of steps that name none. */
  readonly network?: NetMode | undefined;
  readonly devices?: readonly CdiDevice[] | undefined;
  readonly linuxResources?: LinuxResources | undefined;
  /** Keeps this build's cache mounts apart from others'. */
  readonly cacheNamespace?: string | undefined;
  /** `local.session` of local sources. */
  readonly sessionId?: string | undefined;
  /** Compiles every stage, not just what the target needs: for checks. */
  readonly allStages?: boolean | undefined;
  /** Replaces what the Dockerfile's `check` directive says. */
  readonly lint?: LintOptions | undefined;
  /** Takes what the checks find, that of the file's own first: of a build that fails, what they found before its error. */
  readonly warnings?: LintWarning[] | undefined;
}

/** What an image reference stands for. */
export interface ResolvedImage {
  /** Of the manifest or index it resolves to. */
  readonly digest: Digest;
  /** The image config for the platform, as bytes. */
  readonly config: Uint8Array;
  /** The reference to use instead, if a policy replaced it. */
  readonly reference?: string | undefined;
}

export interface ResolveRequest {
  /** Whole and normalised: `docker.io/library/alpine:3`. For an OCI layout `name@digest`. */
  readonly reference: string;
  /** As the Dockerfile gives it: not normalised. */
  readonly platform: Platform;
  readonly mode: ResolveMode;
  /** What progress calls it: `[internal] load metadata for docker.io/library/alpine:3`. */
  readonly name: string;
  /** Set for an OCI layout: the id of the store. */
  readonly ociStore?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What compiling needs from outside. */
export interface CompileHost {
  resolveImage(request: ResolveRequest): Promise<ResolvedImage>;
  /** The patterns of the ignore file of a named local context; absent: none have one. */
  ignorePatterns?(localName: string, signal?: AbortSignal): Promise<readonly string[]>;
  /** Seconds since 1970 of a source (commit time, `Last-Modified`), for `SOURCE_DATE_EPOCH=context`; undefined: unknown. */
  sourceTime?(edge: Edge, signal?: AbortSignal): Promise<number | undefined>;
}

/** A directory the build needs from the client, as its source op asks for it. */
export interface NeededLocal {
  readonly name: string;
  readonly exclude: readonly string[];
  /** Only these, and what links among them point at; undefined: everything. */
  readonly followPaths: readonly string[] | undefined;
}

/** One platform's build. */
export interface CompileResult {
  readonly state: State;
  /** The graph to solve; undefined if the result is empty: `FROM scratch` and no files. */
  readonly edge: Edge | undefined;
  readonly platform: Platform;
  /** The image's config, history included; layers and times are the exporter's to fill in. */
  readonly image: ImageConfig;
  /** The config of the image the target is built on, unchanged. */
  readonly baseImage: ImageConfig | undefined;
  /** Seconds since 1970 of `SOURCE_DATE_EPOCH`. */
  readonly epoch: number | undefined;
  /** Where the graph's vertices stand in the Dockerfile, each at least once; the main context stands nowhere. */
  readonly sources: ReadonlyMap<Digest, readonly SourceRange[]>;
  readonly warnings: readonly LintWarning[];
  readonly locals: readonly NeededLocal[];
  /** Names of the stages that were compiled, in order. */
  readonly stages: readonly string[];
  /** The target is built without the cache. */
  readonly ignoreCache: boolean;
}
