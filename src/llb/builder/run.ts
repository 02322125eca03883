import { VarveError, compareBytes } from "../../core/index.ts";
import {
  type CacheSharing,
  type CdiDevice,
  type ContentCache,
  type ExecMeta,
  type HostIp,
  type Mount,
  type NetMode,
  type ProxyEnv,
  ROOT_MOUNT,
  type SecretEnv,
  type SecurityMode,
  type Ulimit,
} from "../model/exec-op.ts";
import { type Filesystem, platformFor, resolveDir } from "./filesystem.ts";
import { Inputs } from "../model/inputs.ts";
import { EMPTY, SKIP_OUTPUT, type Vertex } from "../model/op.ts";
import { type OpOptions, metadataOf } from "./options.ts";
import { makeVertex } from "../model/vertex.ts";

/** A mount of `State.run`, apart from secrets and agents. */
export type RunMount =
  | {
      readonly type: "bind";
      readonly target: string;
      readonly source: Filesystem;
      /** Path in the source. */
      readonly selector?: string | undefined;
      readonly readonly?: boolean | undefined;
      /** Writable, but what is written is thrown away. */
      readonly noOutput?: boolean | undefined;
      readonly contentCache?: ContentCache | undefined;
    }
  | {
      readonly type: "cache";
      readonly target: string;
      readonly id: string;
      readonly sharing: CacheSharing;
      /** What a new cache begins with. */
      readonly source?: Filesystem | undefined;
      readonly selector?: string | undefined;
      readonly readonly?: boolean | undefined;
    }
  | { readonly type: "tmpfs"; readonly target: string; /** Bytes. */ readonly size?: number | undefined };

/** A secret as a file, a variable, or both. */
export interface RunSecret {
  readonly id: string;
  readonly target?: string | undefined;
  readonly env?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** 0400 unless said. */
  readonly mode?: number | undefined;
  readonly optional?: boolean | undefined;
}

export interface RunSsh {
  /** `default` unless said. */
  readonly id?: string | undefined;
  /** `/run/buildkit/ssh_agent.N` unless said. */
  readonly target?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** 0600 unless said. */
  readonly mode?: number | undefined;
  readonly optional?: boolean | undefined;
}

export interface RunOptions extends OpOptions {
  readonly args: readonly string[];
  /** Added to the state's variables for this command only, in this order. */
  readonly env?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined;
  readonly cwd?: string | undefined;
  readonly user?: string | undefined;
  readonly hostname?: string | undefined;
  readonly proxyEnv?: ProxyEnv | undefined;
  /** Added to the state's. */
  readonly extraHosts?: readonly HostIp[] | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  readonly cgroupParent?: string | undefined;
  readonly network?: NetMode | undefined;
  readonly security?: SecurityMode | undefined;
  readonly validExitCodes?: readonly number[] | undefined;
  readonly readonlyRoot?: boolean | undefined;
  readonly mounts?: readonly RunMount[] | undefined;
  readonly secrets?: readonly RunSecret[] | undefined;
  readonly ssh?: readonly RunSsh[] | undefined;
  readonly cdiDevices?: readonly CdiDevice[] | undefined;
}

/** What a command leaves behind. */
export interface RanVertex {
  readonly root: Filesystem;
  /** The mount at a target after the command, and whether the command made it what it is. Throws `invalid-argument` for one that keeps nothing. */
  readonly mount: (target: string) => { readonly filesystem: Filesystem; readonly made: boolean };
}

/** A mount with the state it shows, before inputs are numbered. */
interface Planned {
  readonly mount: RunMount | { readonly type: "root"; readonly target: string; readonly readonly: boolean };
  readonly source: Filesystem | undefined;
}

function isReadonly({ mount }: Planned): boolean {
  return mount.type === "tmpfs" ? false : mount.readonly === true;
}

function hasOutput(planned: Planned): boolean {
  const { mount } = planned;
  if (mount.type === "root") return !mount.readonly;
  return mount.type === "bind" && mount.readonly !== true && mount.noOutput !== true;
}

function planMounts(state: Filesystem, options: RunOptions): Planned[] {
  const root: Planned = {
    mount: { type: "root", target: ROOT_MOUNT, readonly: options.readonlyRoot === true },
    source: state,
  };
  const others = (options.mounts ?? []).map((mount): Planned => {
    return { mount, source: mount.type === "tmpfs" ? undefined : mount.source };
  });
  return [root, ...others].sort((a, b) => compareBytes(a.mount.target, b.mount.target));
}

/** Numbers inputs and outputs in the order of the mounts. */
class Numbering {
  readonly inputs: Inputs = new Inputs();
  #outputs = 0;

  output(planned: Planned): number {
    if (!hasOutput(planned)) return SKIP_OUTPUT;
    this.#outputs += 1;
    return this.#outputs - 1;
  }
}

function mountOf(planned: Planned, numbering: Numbering): Mount {
  const { mount, source } = planned;
  const base = {
    input: numbering.inputs.number(source),
    dest: mount.target,
    output: numbering.output(planned),
    readonly: isReadonly(planned),
    selector: "",
    resultId: "",
    contentCache: "default",
  } as const;
  switch (mount.type) {
    case "root":
      return { ...base, type: "bind" };
    case "bind":
      return {
        ...base,
        type: "bind",
        selector: mount.selector ?? "",
        contentCache: mount.contentCache ?? "default",
      };
    case "cache":
      return { ...base, type: "cache", selector: mount.selector ?? "", id: mount.id, sharing: mount.sharing };
    case "tmpfs":
      return { ...base, type: "tmpfs", size: mount.size ?? 0 };
  }
}

function secretMounts(options: RunOptions, sshTargets: readonly string[]): Mount[] {
  const base = {
    input: EMPTY,
    selector: "",
    output: 0,
    readonly: false,
    resultId: "",
    contentCache: "default",
  } as const;
  const file = (
    { uid = 0, gid = 0, optional = false, mode }: RunSecret | RunSsh,
    id: string,
    defaultMode: number,
  ): { id: string; uid: number; gid: number; optional: boolean; mode: number } => {
    return { id, uid, gid, optional, mode: mode ?? defaultMode };
  };
  const secrets = (options.secrets ?? []).flatMap((secret): Mount[] =>
    secret.target === undefined
      ? []
      : [{ ...base, type: "secret", dest: secret.target, secret: file(secret, secret.id, 0o400) }],
  );
  const agents = (options.ssh ?? []).map((ssh, index): Mount => {
    return { ...base, type: "ssh", dest: sshTargets[index] ?? "", ssh: file(ssh, ssh.id ?? "default", 0o600) };
  });
  return [...secrets, ...agents];
}

function envOf(state: Filesystem, options: RunOptions, sshTargets: readonly string[]): string[] {
  const env = new Map(state.defaults.env);
  const added = options.env instanceof Map ? options.env : Object.entries(options.env ?? {});
  for (const [name, value] of added) {
    env.delete(name);
    env.set(name, value);
  }
  const [agent] = sshTargets;
  if (agent !== undefined && !env.has("SSH_AUTH_SOCK")) env.set("SSH_AUTH_SOCK", agent);
  return [...env].map(([name, value]) => `${name}=${value}`);
}

function metaOf(state: Filesystem, options: RunOptions, env: readonly string[]): ExecMeta {
  const { defaults } = state;
  const cwd = options.cwd === undefined ? defaults.dir : resolveDir(defaults, options.cwd);
  if (options.args.length === 0) throw new VarveError("invalid-argument", "Cannot run a command: it has no arguments");
  return {
    args: options.args,
    env,
    cwd,
    user: options.user ?? defaults.user,
    proxyEnv: options.proxyEnv,
    extraHosts: [...defaults.extraHosts, ...(options.extraHosts ?? [])],
    hostname: options.hostname ?? defaults.hostname,
    ulimits: [...defaults.ulimits, ...(options.ulimits ?? [])],
    cgroupParent: options.cgroupParent ?? defaults.cgroupParent,
    removeMountStubsRecursive: true,
    validExitCodes: options.validExitCodes ?? [],
  };
}

/** The exec vertex of a command, as BuildKit's client makes it: mounts sorted by target, then secrets, then agents. */
export function runVertex(state: Filesystem, options: RunOptions): RanVertex {
  const sshTargets = (options.ssh ?? []).map((ssh, index) => ssh.target || `/run/buildkit/ssh_agent.${index}`);
  const planned = planMounts(state, options);
  const numbering = new Numbering();
  const mounts = planned.map((mount) => mountOf(mount, numbering));
  const secretEnv = (options.secrets ?? []).flatMap(({ id, env, optional = false }): SecretEnv[] =>
    env === undefined ? [] : [{ id, name: env, optional }],
  );
  const vertex = makeVertex({
    op: {
      kind: "exec",
      meta: metaOf(state, options, envOf(state, options, sshTargets)),
      mounts: [...mounts, ...secretMounts(options, sshTargets)],
      network: options.network ?? state.defaults.network,
      security: options.security ?? state.defaults.security,
      secretEnv,
      cdiDevices: options.cdiDevices ?? [],
    },
    inputs: numbering.inputs.edges,
    walked: planned.flatMap(({ source }) => source?.edge ?? []),
    platform: platformFor(state.defaults, options),
    constraints: options.constraints ?? [],
    metadata: metadataOf(options),
  });
  const mount: RanVertex["mount"] = (target) => mountResult(vertex, planned, mounts, target);
  return { root: mount(ROOT_MOUNT).filesystem, mount };
}

function mountResult(
  vertex: Vertex,
  planned: readonly Planned[],
  mounts: readonly Mount[],
  target: string,
): ReturnType<RanVertex["mount"]> {
  const index = planned.findIndex(({ mount }) => mount.target === target);
  const found = planned[index];
  const source = found?.source;
  const kept = found !== undefined && (isReadonly(found) || hasOutput(found));
  if (found === undefined || source === undefined || !kept)
    throw new VarveError("invalid-argument", `Cannot use mount ${target} as a filesystem: it keeps nothing`);
  if (isReadonly(found)) return { filesystem: source, made: false };
  const edge = { vertex, output: mounts[index]?.output ?? 0 };
  return { filesystem: { edge, defaults: source.defaults }, made: true };
}
