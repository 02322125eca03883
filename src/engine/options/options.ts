import type { Descriptor, Platform } from "../../core/index.ts";
import type { OnBuildEvent } from "../progress/events.ts";
import type { Store } from "../store/store.ts";

/** Where the files a build may copy come from. */
export type BuildContext =
  | { readonly kind: "directory"; readonly path: string }
  /** A tar archive, plain or compressed, or a lone Dockerfile, as `docker build -` takes it. */
  | { readonly kind: "stream"; readonly bytes: AsyncIterable<Uint8Array> }
  /** A git repository (`https://…git#ref:folder`) or an archive to download. */
  | { readonly kind: "url"; readonly url: string }
  | { readonly kind: "empty" };

export type DockerfileSource =
  /** A path in the context; `Dockerfile` is looked for if nothing is said. */
  | { readonly kind: "context"; readonly path: string }
  /** A file outside the context. */
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "text"; readonly text: string; readonly name?: string | undefined };

/** Where a secret's bytes come from. A file has to exist when the build starts; a variable that is not set is empty. */
export interface SecretSource {
  readonly id: string;
  readonly source: { readonly file: string } | { readonly env: string } | { readonly value: Uint8Array };
}

export interface SshSource {
  /** `default` unless said. */
  readonly id: string;
  /** The agent's socket, exactly one; a private key file is refused with `unsupported`. */
  readonly paths: readonly string[];
}

/** What comes out of a build. Attributes are buildx's: `name`, `compression`, `push`, …; unknown ones are ignored. */
export type OutputSpec = {
  readonly type: "image" | "registry" | "oci" | "docker" | "tar" | "local" | "cacheonly";
  /** A file or directory; `-` is standard output. */
  readonly dest?: string | undefined;
  readonly attrs?: Readonly<Record<string, string>> | undefined;
};

export interface CacheSpec {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
}

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Limits on each step of a build, which control groups enforce; 0 or empty is no limit. No cache key depends on them. */
export interface StepResources {
  /** Bytes; at least 6 MiB. */
  readonly memory?: number | undefined;
  /** Bytes of memory and swap together; -1 is no limit. */
  readonly memorySwap?: number | undefined;
  /** A weight against other groups: 2 to 262144, 1024 unless said. */
  readonly cpuShares?: number | undefined;
  /** Microseconds; 100000 unless said. */
  readonly cpuPeriod?: number | undefined;
  /** Microseconds of processor time in each period. */
  readonly cpuQuota?: number | undefined;
  /** A list such as `0-2,4`. */
  readonly cpusetCpus?: string | undefined;
  readonly cpusetMems?: string | undefined;
}

/** Everything that a build is asked for, besides the store that it happens in. */
export interface BuildSettings {
  readonly context: BuildContext;
  readonly dockerfile?: DockerfileSource | undefined;
  readonly target?: string | undefined;
  /** Names the image gets: normalised by the reference grammar, `latest` added. */
  readonly tags?: readonly string[] | undefined;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  /** `name` → a directory, `docker-image://…`, `oci-layout://…`, a git URL, `target:stage`. */
  readonly buildContexts?: Readonly<Record<string, string>> | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** `[type:]key` → value, as `docker buildx build --annotation`. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly platforms?: readonly Platform[] | undefined;
  /** Ask the registry even where the image is already here. */
  readonly pull?: boolean | undefined;
  /** Every stage, or the named ones, ignore the cache. */
  readonly noCache?: boolean | readonly string[] | undefined;
  readonly cacheFrom?: readonly CacheSpec[] | undefined;
  /** Milliseconds after which a cache that has not come counts as empty. Default two minutes. */
  readonly cachePatience?: number | undefined;
  readonly cacheTo?: readonly CacheSpec[] | undefined;
  readonly secrets?: readonly SecretSource[] | undefined;
  readonly ssh?: readonly SshSource[] | undefined;
  readonly network?: "default" | "host" | "none" | undefined;
  readonly extraHosts?: readonly { readonly host: string; readonly ip: string }[] | undefined;
  /** `network.host`, `security.insecure`. */
  readonly allow?: readonly string[] | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  /** Bytes. */
  readonly shmSize?: number | undefined;
  readonly cgroupParent?: string | undefined;
  readonly resources?: StepResources | undefined;
  readonly outputs?: readonly OutputSpec[] | undefined;
  /** Seconds since 1970; `SOURCE_DATE_EPOCH` among the build arguments says the same. */
  readonly sourceDateEpoch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: OnBuildEvent | undefined;
}

export interface BuildOptions extends BuildSettings {
  readonly store: Store;
}

/** What became of one step. */
export interface StepReport {
  readonly name: string;
  readonly status: "hit" | "run" | "skipped" | "failed";
  /** `local`, an importer's name, or null for a step that ran. */
  readonly cache: string | null;
  /** The vertex digest. */
  readonly digest: string;
  readonly ms: number;
}

/** What became of one cache that was to be exported. */
export interface CacheReport {
  readonly type: string;
  /** The reference, or the directory and the tag. */
  readonly name: string;
  /** Of the cache's manifest; undefined if there was nothing to export. */
  readonly descriptor?: Descriptor | undefined;
  /** Why it was not written, where that was to be ignored. */
  readonly error?: string | undefined;
}

export interface BuildResult {
  /** Digest of the top manifest or index; undefined if no image was exported. */
  readonly digest?: string | undefined;
  /** Only where there is a single manifest. */
  readonly configDigest?: string | undefined;
  readonly names: readonly string[];
  readonly steps: readonly StepReport[];
  /** What became of each `cacheTo` but inline ones. */
  readonly caches: readonly CacheReport[];
  /** What `--metadata-file` writes: `containerimage.digest` and so on. */
  readonly metadata: Readonly<Record<string, unknown>>;
}
