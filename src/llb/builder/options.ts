import type { Platform, StepPolicy } from "../../core/index.ts";
import { noMetadata, type LinuxResources, type ProgressGroup, type VertexMetadata } from "../model/op.ts";

/** Options of every operation. Only the platform and the constraints are part of the vertex's digest. */
export interface OpOptions {
  readonly platform?: Platform | undefined;
  /** Filters on workers, in containerd's syntax. */
  readonly constraints?: readonly string[] | undefined;
  /** Run the operation even if its result is cached. */
  readonly ignoreCache?: boolean | undefined;
  /** The name shown in progress output (`llb.customname` in the description). */
  readonly name?: string | undefined;
  readonly description?: Readonly<Record<string, string>> | undefined;
  /** False: cache exports leave out the result. */
  readonly exportCache?: boolean | undefined;
  readonly progressGroup?: ProgressGroup | undefined;
  readonly linuxResources?: LinuxResources | undefined;
  /** How the result is cached, beyond the cache key. */
  readonly policy?: StepPolicy | undefined;
}

/** Returns the metadata of a vertex. Fields that are not set are absent, because `mergeMetadata` keeps earlier values for those. */
export function metadataOf(options: OpOptions): VertexMetadata {
  const description = new Map(Object.entries(options.description ?? {}));
  if (options.name !== undefined) description.set("llb.customname", options.name);
  return {
    ...noMetadata,
    ignoreCache: options.ignoreCache ?? false,
    description,
    ...(options.exportCache === undefined ? {} : { exportCache: options.exportCache }),
    ...(options.progressGroup === undefined ? {} : { progressGroup: options.progressGroup }),
    ...(options.linuxResources === undefined ? {} : { linuxResources: options.linuxResources }),
    ...(options.policy === undefined ? {} : { policy: options.policy }),
  };
}
