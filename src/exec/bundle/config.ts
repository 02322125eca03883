import { VarveError } from "../../core/index.ts";
import type { OciDevice } from "./devices.ts";
import { hooksOf } from "./edits.ts";
import { withHome } from "../process-environment.ts";
import { MASKED_PATHS, type OciMount, READONLY_PATHS } from "./mounts.ts";
import type { SeccompProfile } from "./seccomp.ts";
import type { RunSpec, Ulimit } from "../types.ts";
import type { StepUser } from "./user.ts";

/** The resolved values that go into a runtime configuration. */
export interface ConfigParts {
  readonly spec: RunSpec;
  readonly user: StepUser;
  /** Absolute inside the root filesystem, where it exists. */
  readonly cwd: string;
  readonly hostname: string;
  readonly mounts: readonly OciMount[];
  readonly devices: readonly OciDevice[];
  readonly capabilities: readonly string[];
  /** System calls that the kernel allows. If absent, it allows all. */
  readonly seccomp?: SeccompProfile | undefined;
  /** The same profile compiled, in base64. With it, crun does not compile the profile itself. */
  readonly filter?: string | undefined;
  readonly cgroup: {
    readonly cgroupsPath?: string | undefined;
    readonly resources?: Record<string, unknown> | undefined;
  };
  /** True on a machine with version 2 only, where a namespace can make a group look like the root of the hierarchy. */
  readonly cgroupNamespace: boolean;
}

const ULIMITS: ReadonlySet<string> = new Set(
  "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(" "),
);

declare global {
  interface JSON {
    /** Text that `JSON.stringify` writes as it is. TypeScript does not declare it yet. */
    rawJSON(text: string): unknown;
  }
}

/** RLIM_INFINITY, 2^64 - 1, which a JavaScript number cannot represent. */
const UNLIMITED = JSON.rawJSON("18446744073709551615");

/** Returns the `config.json` of a bundle: OCI runtime specification 1.0.2. */
export function runtimeConfig(parts: ConfigParts): string {
  const { spec } = parts;
  return JSON.stringify({
    ociVersion: "1.0.2",
    process: processOf(parts),
    root: { path: spec.rootfs, readonly: spec.readonlyRootfs === true },
    hostname: parts.hostname,
    mounts: parts.mounts,
    linux: linuxOf(parts),
    ...(spec.edits !== undefined && { hooks: hooksOf(spec.edits) }),
    ...(parts.filter === undefined ? {} : { annotations: { "run.oci.seccomp_bpf_data": parts.filter } }),
  });
}

/** What a process of a step is made of. */
export interface ProcessParts extends Pick<ConfigParts, "user" | "cwd" | "capabilities"> {
  readonly spec: Pick<RunSpec, "process" | "terminal" | "security" | "ulimits">;
}

/** Returns the `process` of a configuration. */
export function processOf({ spec, user, cwd, capabilities }: ProcessParts): Record<string, unknown> {
  const { args, env } = spec.process;
  const insecure = spec.security === "insecure";
  return {
    terminal: spec.terminal === true,
    user: { uid: user.uid, gid: user.gid, umask: 0o022, additionalGids: user.groups },
    args,
    env: withHome(env, user.home),
    cwd,
    capabilities: {
      bounding: capabilities,
      effective: capabilities,
      permitted: capabilities,
      inheritable: insecure ? capabilities : [],
      ambient: insecure ? capabilities : [],
    },
    rlimits: checkUlimits(spec.ulimits ?? []).map(rlimitOf),
    noNewPrivileges: false,
  };
}

function linuxOf({ spec, devices, cgroup, cgroupNamespace, seccomp }: ConfigParts): Record<string, unknown> {
  const sandbox = spec.security !== "insecure";
  const namespaces = ["pid", "ipc", "uts", "mount"];
  if (spec.network === "none") namespaces.push("network");
  if (cgroupNamespace) namespaces.push("cgroup");
  return {
    ...cgroup,
    namespaces: namespaces.map((type) => ({ type })),
    devices,
    maskedPaths: sandbox ? MASKED_PATHS : [],
    readonlyPaths: sandbox ? READONLY_PATHS : [],
    ...(seccomp === undefined ? {} : { seccomp }),
    ...(spec.edits?.intelRdt !== undefined && { intelRdt: spec.edits.intelRdt }),
  };
}

function rlimitOf({ name, soft, hard }: Ulimit): Record<string, unknown> {
  const value = (limit: number): unknown => (limit === -1 ? UNLIMITED : limit);
  return { type: `RLIMIT_${name.toUpperCase()}`, soft: value(soft), hard: value(hard) };
}

/**
 * Returns the limits of a process: of several with one name, the last one.
 * @throws {VarveError} `invalid-argument` for an unknown name or a limit that is no whole number.
 */
export function checkUlimits(ulimits: readonly Ulimit[]): Ulimit[] {
  for (const { name, soft, hard } of ulimits) {
    if (!ULIMITS.has(name))
      throw new VarveError("invalid-argument", `Cannot set ulimit ${JSON.stringify(name)}: unknown`);
    for (const limit of [soft, hard])
      if (limit !== -1 && !(Number.isSafeInteger(limit) && limit >= 0))
        throw new VarveError("invalid-argument", `Cannot set ulimit ${name} to ${limit}: not a whole number`);
  }
  return [...new Map(ulimits.map((ulimit) => [ulimit.name, ulimit])).values()];
}
