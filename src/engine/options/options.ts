import type { Descriptor, Platform, TracedSetting } from "../../core/index.ts";
import type { FrontendImages } from "../../frontend/index.ts";
import type { Explanation } from "../../explain/index.ts";
import type { OnBuildEvent } from "../progress/events.ts";
import type { Store } from "../store/store.ts";

/** The files that a build can copy. */
export type BuildContext =
  | {
      readonly kind: "directory";
      readonly path: string;
      /** Whether later builds can read the same directory, so that checksums of its files are kept for them. Default: true. */
      readonly lasting?: boolean | undefined;
    }
  /** A tar archive, compressed or not, or a Dockerfile, as for `docker build -`. */
  | { readonly kind: "stream"; readonly bytes: AsyncIterable<Uint8Array> }
  /** A git repository (`https://…git#ref:folder`) or an archive to download. */
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "empty" };

/** The Dockerfile of a build. Default: `Dockerfile` in the context. */
export type DockerfileSource =
  /** A path in the context. */
  | { readonly kind: "context"; readonly path: string }
  /** A file outside the context. */
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "text"; readonly text: string; readonly name?: string | undefined };

/** A secret for `RUN --mount=type=secret`. A file must exist when the build starts. A variable that is not set is empty. */
export interface SecretSource {
  readonly id: string;
  readonly source: { readonly file: string } | { readonly env: string } | { readonly value: Uint8Array };
}

/** An SSH agent for `RUN --mount=type=ssh`. */
export interface SshSource {
  /** Usually `default`. */
  readonly id: string;
  /** Exactly one path, the agent's socket. A private key file is `unsupported`. */
  readonly paths: readonly string[];
}

/** An output of a build. Attributes are those of `docker buildx build --output`, such as `name`, `compression` and `push`. */
export type OutputSpec = {
  readonly type: "image" | "registry" | "oci" | "docker" | "tar" | "local" | "cacheonly";
  /** A file or directory; `-` is standard output. */
  readonly dest?: string | undefined;
  readonly attrs?: Readonly<Record<string, string>> | undefined;
};

/** A cache to import or export, as in `--cache-from` and `--cache-to`: `{ type: "registry", attrs: { ref: "app:cache" } }`. */
export interface CacheSpec {
  /** `registry`, `local`, `inline` or `s3`. */
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
}

/** An attestation to make, as in `--attest`: `{ type: "provenance", attrs: { mode: "max" } }`. */
export interface AttestationSpec {
  readonly type: "provenance" | "sbom";
  /** Parameters, such as `mode` of provenance and `generator` of SBOMs. */
  readonly attrs: Readonly<Record<string, string>>;
}

/** A resource limit of steps, such as `nofile`. */
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Limits of each step of a build, enforced by control groups. 0 or empty means no limit. Cache keys do not depend on them. */
export interface StepResources {
  /** Bytes; at least 6 MiB. */
  readonly memory?: number | undefined;
  /** Bytes of memory plus swap; -1 means no limit. */
  readonly memorySwap?: number | undefined;
  /** Relative CPU weight, 2 to 262144. Default 1024. */
  readonly cpuShares?: number | undefined;
  /** Microseconds. Default 100000. */
  readonly cpuPeriod?: number | undefined;
  /** Microseconds of CPU time in each period. */
  readonly cpuQuota?: number | undefined;
  /** CPUs, such as `0-2,4`. */
  readonly cpusetCpus?: string | undefined;
  /** Memory nodes, such as `0,1`. */
  readonly cpusetMems?: string | undefined;
}

/** The options of a build, without the store. */
export interface BuildSettings {
  readonly context: BuildContext;
  readonly dockerfile?: DockerfileSource | undefined;
  /** Name of the stage to build. Default: the last one. */
  readonly target?: string | undefined;
  /** Names of the image. The default tag is `latest`. */
  readonly tags?: readonly string[] | undefined;
  /** Values of `ARG`s. */
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  /** Named contexts: a directory, `docker-image://…`, `oci-layout://…`, a git URL or `target:stage` for each name. */
  readonly buildContexts?: Readonly<Record<string, string>> | undefined;
  /** Labels of the image. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Annotations by `[type:]key`, as for `docker buildx build --annotation`. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Platforms to build for. Default: this machine's. */
  readonly platforms?: readonly Platform[] | undefined;
  /** Ask registries for base images even if the store has them. */
  readonly pull?: boolean | undefined;
  /** Do not use the cache: for all stages, or for those named. */
  readonly noCache?: boolean | readonly string[] | undefined;
  /**
   * Give the files of context directories the modes that git gives them (0644, 0755; directories 0755), so that cache keys and layers are
   * the same on machines with another umask. `git`: only contexts in a work tree of git. Default: false. Clients of a server send their
   * contexts themselves, and these stay as they are.
   */
  readonly normalizeContext?: boolean | "git" | undefined;
  /** How RUN steps are traced that have no directive `# varve: traced`. Default: not at all. */
  readonly traced?: TracedSetting | undefined;
  /**
   * Say why steps run, and record what their keys are made of, so that later builds can be explained by this one. Default: true.
   */
  readonly explain?: boolean | undefined;
  /**
   * Which front ends run as images, if the Dockerfile (`# syntax=IMAGE`) or the build argument `BUILDKIT_SYNTAX` names one. Default: `auto`,
   * all but `docker/dockerfile` of a version whose language is built in.
   */
  readonly frontendImages?: FrontendImages | undefined;
  /** Caches to import. */
  readonly cacheFrom?: readonly CacheSpec[] | undefined;
  /** Milliseconds to wait for an imported cache. After that it counts as empty. Default: two minutes. */
  readonly cachePatience?: number | undefined;
  /** Caches to export to. */
  readonly cacheTo?: readonly CacheSpec[] | undefined;
  readonly secrets?: readonly SecretSource[] | undefined;
  readonly ssh?: readonly SshSource[] | undefined;
  /** Network of `RUN` steps. */
  readonly network?: "default" | "host" | "none" | undefined;
  /** Lines for `/etc/hosts` of `RUN` steps. */
  readonly extraHosts?: readonly { readonly host: string; readonly ip: string }[] | undefined;
  /** Entitlements: `network.host`, `security.insecure`. */
  readonly allow?: readonly string[] | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  /** Size of `/dev/shm` in bytes. */
  readonly shmSize?: number | undefined;
  /** Parent control group of steps. */
  readonly cgroupParent?: string | undefined;
  readonly resources?: StepResources | undefined;
  /** Default: the image is kept in the store. */
  readonly outputs?: readonly OutputSpec[] | undefined;
  /** Attestations to make and to export with the result. Of several of a type, the first counts. */
  readonly attestations?: readonly AttestationSpec[] | undefined;
  /**
   * What provenance says of a context in a work tree of git: nothing, the commit and its remote, or also whether files have changed
   * since, for which git reads all of them. Default: `commit`.
   */
  readonly gitInfo?: "none" | "commit" | "changes" | undefined;
  /** Timestamp of the image in seconds since 1970. The build argument `SOURCE_DATE_EPOCH` has the same effect. */
  readonly sourceDateEpoch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called for every event. Must not throw. */
  readonly onEvent?: OnBuildEvent | undefined;
}

export interface BuildOptions extends BuildSettings {
  readonly store: Store;
}

/** The outcome of one step. */
export interface StepReport {
  readonly name: string;
  readonly status: "hit" | "run" | "skipped" | "failed";
  /** The cache of a hit: `local`, or the name of an imported cache. Null for a step that ran. */
  readonly cache: string | null;
  /** Digest of the vertex. */
  readonly digest: string;
  /** Duration in milliseconds. */
  readonly ms: number;
  /** Why it ran, although a cache might have had its result. */
  readonly why?: Explanation | undefined;
}

/** The outcome of one cache export. */
export interface CacheReport {
  readonly type: string;
  /** The reference, or the directory and tag. */
  readonly name: string;
  /** The cache's manifest; undefined if there was nothing to export. */
  readonly descriptor?: Descriptor | undefined;
  /** Why it was not written, unless the cache has `ignore-error=false`. */
  readonly error?: string | undefined;
}

/** The outcome of a build. */
export interface BuildResult {
  /** Digest of the manifest or index, of the last output that is an image; undefined if no image was exported. */
  readonly digest?: string | undefined;
  /** Digest of that image's config; undefined for a multi-platform image. */
  readonly configDigest?: string | undefined;
  /** Names of the image, normalised. */
  readonly names: readonly string[];
  readonly steps: readonly StepReport[];
  /** The outcome of each `cacheTo` except inline caches. */
  readonly caches: readonly CacheReport[];
  /** The content of `--metadata-file`: `containerimage.digest` and so on. */
  readonly metadata: Readonly<Record<string, unknown>>;
}
