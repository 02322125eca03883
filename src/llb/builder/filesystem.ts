import { hostPlatform, type Platform } from "../../core/index.ts";
import { joinPath } from "../../pattern/index.ts";
import type { HostIp, NetMode, SecurityMode, Ulimit } from "../model/exec-op.ts";
import type { Edge } from "../model/op.ts";
import type { OpOptions } from "./options.ts";

/** The settings that later operations on a state inherit. */
export interface StateDefaults {
  /** In the order in which the variables were last set. */
  readonly env: ReadonlyMap<string, string>;
  readonly dir: string;
  readonly user: string;
  readonly hostname: string;
  readonly extraHosts: readonly HostIp[];
  readonly ulimits: readonly Ulimit[];
  readonly cgroupParent: string;
  readonly network: NetMode;
  readonly security: SecurityMode;
  /** Undefined: the platform of the host. */
  readonly platform: Platform | undefined;
}

export const initialDefaults: StateDefaults = {
  env: new Map(),
  dir: "/",
  user: "",
  hostname: "",
  extraHosts: [],
  ulimits: [],
  cgroupParent: "",
  network: "default",
  security: "sandbox",
  platform: undefined,
};

/** A filesystem at some point of a build, and the settings that operations on it inherit. */
export interface Filesystem {
  /** The output of a vertex; undefined for an empty filesystem (scratch). */
  readonly edge: Edge | undefined;
  readonly defaults: StateDefaults;
}

/** Resolves a directory relative to the working directory. An absolute path is returned unchanged. */
export function resolveDir({ dir }: StateDefaults, path: string): string {
  return path.startsWith("/") ? path : joinPath(dir || "/", path);
}

/** Returns the platform of an operation on a filesystem. */
export function platformFor({ platform }: StateDefaults, options: OpOptions): Platform {
  return options.platform ?? platform ?? hostPlatform();
}
