import type { Bytes } from "../../io/index.ts";
import type { Platform } from "../../core/index.ts";
import type { CredentialSource } from "../../registry/index.ts";

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** What `POST /build` asks for. A text that was absent or empty is undefined. */
export interface ClassicBuildRequest {
  /** An archive, compressed or not, whatever its headers say; empty where `remote` is given. */
  readonly context: Bytes;
  /** A path in the context. */
  readonly dockerfile: string;
  /** As they were sent, empty ones left out. */
  readonly tags: readonly string[];
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
  readonly limits: ClassicLimits;
  readonly credentials: CredentialSource;
}

/** Sizes in bytes, 0 where nothing was asked; `memorySwap` -1 is unlimited. */
export interface ClassicLimits {
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

/** One object of a progress stream. */
export type ProgressMessage =
  | { readonly stream: string }
  | {
      readonly status: string;
      readonly id?: string;
      readonly progressDetail?: { readonly current?: number; readonly total?: number };
    }
  | { readonly aux: unknown; readonly id?: string }
  | { readonly error: string; readonly errorDetail: { readonly message: string; readonly code?: number } };

/**
 * Builds, telling how it goes. What it throws before the first message becomes the status of the response, and what it
 * throws afterwards the last message: a `VarveError` whose `details.exitCode` is a number is of a step that failed.
 */
export type ClassicBuild = (
  request: ClassicBuildRequest,
  emit: (message: ProgressMessage) => void,
  signal: AbortSignal,
) => Promise<unknown>;
