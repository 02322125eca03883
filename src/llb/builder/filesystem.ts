import { hostPlatform, type Platform } from "../../core/index.ts";
import { joinPath } from "../../pattern/index.ts";
import type { HostIp, NetMode, SecurityMode, Ulimit } from "../model/exec-op.ts";
import type { Edge } from "../model/op.ts";
import type { OpOptions } from "./options.ts";

/** What later operations of a state inherit. */
export interface StateDefaults {
  /** In the order of their last setting. */
  readonly env: ReadonlyMap<string, string>;
  readonly dir: string;
  readonly user: string;
  readonly hostname: string;
  readonly extraHosts: readonly HostIp[];
  readonly ulimits: readonly Ulimit[];
  readonly cgroupParent: string;
  readonly network: NetMode;
  readonly security: SecurityMode;
  /** Undefined: the host's. */
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

/** A filesystem at some point of a build, and what operations on it inherit. */
export interface Filesystem {
  /** Undefined is scratch: an empty filesystem. */
  readonly edge: Edge | undefined;
  readonly defaults: StateDefaults;
}

/** A directory as seen from the working directory. An absolute one is kept as it is. */
export function resolveDir({ dir }: StateDefaults, path: string): string {
  return path.startsWith("/") ? path : joinPath(dir || "/", path);
}

/** The platform an operation on a filesystem is for. */
export function platformFor({ platform }: StateDefaults, options: OpOptions): Platform {
  return options.platform ?? platform ?? hostPlatform();
}
