import type { Platform } from "../../core/index.ts";
import { noMetadata, type LinuxResources, type ProgressGroup, type VertexMetadata } from "../model/op.ts";

/** What can be said about any operation when it is added to a graph. Nothing but platform and constraints is in its digest. */
export interface OpOptions {
  readonly platform?: Platform | undefined;
  /** containerd-style filters on workers. */
  readonly constraints?: readonly string[] | undefined;
  /** Run it even if the cache has its result. */
  readonly ignoreCache?: boolean | undefined;
  /** The name shown in progress: `llb.customname`. */
  readonly name?: string | undefined;
  readonly description?: Readonly<Record<string, string>> | undefined;
  readonly exportCache?: boolean | undefined;
  readonly progressGroup?: ProgressGroup | undefined;
  readonly linuxResources?: LinuxResources | undefined;
}

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
  };
}
