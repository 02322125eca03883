import type { ForeignFrontends, Store } from "../../engine/index.ts";
import type { FrontendImages } from "../../frontend/index.ts";
import type { LocalImage } from "../../image/index.ts";
import type { Platform, Reference } from "../../core/index.ts";
import type { Runner } from "../../exec/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { CredentialSource } from "../../registry/index.ts";

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Sizes are in bytes. 0 means no limit was requested; `memorySwap` -1 means unlimited. */
export interface BuildLimits {
  readonly memory: number;
  readonly memorySwap: number;
  readonly cpuShares: number;
  readonly cpuPeriod: number;
  readonly cpuQuota: number;
  readonly cpusetCpus: string | undefined;
  readonly cpusetMems: string | undefined;
  readonly shmSize: number;
  readonly cgroupParent: string | undefined;
  readonly ulimits: readonly Ulimit[];
}

/** The parameters of `POST /build`. Absent and empty texts are undefined. */
export interface BuildRequest {
  /** An archive, compressed or not. It is not read if `remote` is given. */
  readonly context: Bytes;
  /** A path in the context. */
  readonly dockerfile: string;
  /** As sent by the client, without empty ones. */
  readonly tags: readonly string[];
  /** A git repository or URL of the context. */
  readonly remote: string | undefined;
  readonly target: string | undefined;
  readonly platform: Platform | undefined;
  readonly quiet: boolean;
  readonly noCache: boolean;
  readonly pull: boolean;
  /** Whether to remove the containers of steps that succeeded, or of all steps. */
  readonly remove: "never" | "on-success" | "always";
  readonly squash: boolean;
  readonly cacheFrom: readonly string[];
  /** `null` for an argument without a value. */
  readonly buildArgs: ReadonlyMap<string, string | null>;
  readonly labels: ReadonlyMap<string, string>;
  /** Entries are `host:ip`. */
  readonly extraHosts: readonly string[];
  readonly networkMode: string | undefined;
  readonly limits: BuildLimits;
  /** Secrets of the client, by id. Only steps with `RUN --mount=type=secret` can use them. */
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** Credentials for the images that the build pulls. */
  readonly credentials: CredentialSource;
}

/** A message of a build, as in the Docker Engine API. */
export type BuildMessage =
  | { readonly stream: string }
  | {
      readonly status: string;
      readonly id?: string | undefined;
      readonly progressDetail?:
        | { readonly current?: number | undefined; readonly total?: number | undefined }
        | undefined;
    }
  | { readonly aux: unknown; readonly id?: string | undefined };

export type Emit = (message: BuildMessage) => void;

/** Reports that a step has made an image, or that an image got a name. */
export interface ImageEvent {
  readonly kind: "create" | "tag";
  readonly image: LocalImage;
  /** The new name; for a new image, its id. */
  readonly name: string;
}

/** The stores and functions that the builder uses. */
export interface BuildDeps {
  readonly store: Store;
  /** Called before the first command runs. */
  readonly runner: () => Promise<Runner>;
  /** Pulls an image, names it, and reports progress. */
  readonly pull: (reference: Reference, platform: Platform, emit: Emit, signal: AbortSignal) => Promise<void>;
  /** The directory, on the store's filesystem, in which contexts are unpacked. */
  readonly contexts: { readonly path: string };
  /** The directory of bare git repositories. */
  readonly repositories: string;
  readonly onImage?: ((event: ImageEvent) => void) | undefined;
  /**
   * Find out why steps are not cached, and record what explains later builds. Builds that the engine carries out say so in their output;
   * with `everywhere` all builds do, whose lines otherwise are those of Docker. Default: false.
   */
  readonly explains?: boolean | "everywhere" | undefined;
  /** Runs front ends that are images. Absent: a Dockerfile that needs one is an error. */
  readonly frontends?: ForeignFrontends | undefined;
  /** Which front ends run as images. */
  readonly frontendImages?: FrontendImages | undefined;
}
