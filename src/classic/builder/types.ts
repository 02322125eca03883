import type { LocalImages } from "../../images/index.ts";
import type { LocalImage } from "../../image/index.ts";
import type { Platform, Reference } from "../../core/index.ts";
import type { Runner } from "../../exec/index.ts";
import type { Bytes } from "../../io/index.ts";

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Sizes in bytes, 0 where nothing was asked; `memorySwap` -1 is unlimited. */
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

/** What `POST /build` asks for. A text that was absent or empty is undefined. */
export interface BuildRequest {
  /** An archive, compressed or not, or the text of a Dockerfile alone; not read where `remote` is given. */
  readonly context: Bytes;
  /** A path in the context. */
  readonly dockerfile: string;
  /** As they were sent, empty ones left out. */
  readonly tags: readonly string[];
  /** A git repository or a URL to take the context from. */
  readonly remote: string | undefined;
  readonly target: string | undefined;
  readonly platform: Platform | undefined;
  readonly quiet: boolean;
  readonly noCache: boolean;
  readonly pull: boolean;
  /** Remove the containers of steps that succeeded; of all steps. */
  readonly remove: "never" | "on-success" | "always";
  readonly squash: boolean;
  readonly cacheFrom: readonly string[];
  /** `null`: named without a value. */
  readonly buildArgs: ReadonlyMap<string, string | null>;
  readonly labels: ReadonlyMap<string, string>;
  /** `host:ip`. */
  readonly extraHosts: readonly string[];
  readonly networkMode: string | undefined;
  readonly limits: BuildLimits;
}

/** What a builder tells, in the words of the Engine API. */
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

/** A step made an image, or an image was given a name. */
export interface ImageEvent {
  readonly kind: "create" | "tag";
  readonly image: LocalImage;
  /** The id of an image that was made. */
  readonly name: string;
}

/** What a builder works with. */
export interface BuildDeps {
  readonly store: LocalImages;
  /** Asked for when the first command has to run. */
  readonly runner: () => Promise<Runner>;
  /** Fetches an image from its registry and gives it its name, telling how it goes. */
  readonly pull: (reference: Reference, platform: Platform, emit: Emit, signal: AbortSignal) => Promise<void>;
  /** A directory of the store's file system in which contexts are unpacked, made when it is needed. */
  readonly contexts: { readonly path: string };
  /** Where repositories are kept. */
  readonly repositories: string;
  readonly onImage?: ((event: ImageEvent) => void) | undefined;
}
