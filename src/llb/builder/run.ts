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
import { InputNumbers } from "./input-numbers.ts";
import { EMPTY, SKIP_OUTPUT, type Vertex } from "../model/op.ts";
import { type OpOptions, metadataOf } from "./options.ts";
import { makeVertex } from "../model/vertex.ts";

/** A mount of `State.run`. Secrets and SSH agents have options of their own. */
export type RunMount =
  | {
      readonly type: "bind";
      readonly target: string;
      readonly source: Filesystem;
      /** Path in the source. Default: the whole source. */
      readonly selector?: string | undefined;
      readonly readonly?: boolean | undefined;
      /** The mount is writable, but what the command writes is discarded. */
      readonly noOutput?: boolean | undefined;
      readonly contentCache?: ContentCache | undefined;
    }
  | {
      readonly type: "cache";
      readonly target: string;
      readonly id: string;
      readonly sharing: CacheSharing;
      /** The initial content of a new cache. */
      readonly source?: Filesystem | undefined;
      readonly selector?: string | undefined;
      readonly readonly?: boolean | undefined;
    }
  | { readonly type: "tmpfs"; readonly target: string; /** In bytes. */ readonly size?: number | undefined };

/** A secret as a file, a variable, or both. */
export interface RunSecret {
  readonly id: string;
  readonly target?: string | undefined;
  readonly env?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Permission bits. Default: 0400. */
  readonly mode?: number | undefined;
  readonly optional?: boolean | undefined;
}

/** The socket of an SSH agent. */
export interface RunSsh {
  /** Default: `default`. */
  readonly id?: string | undefined;
  /** Default: `/run/buildkit/ssh_agent.N`. */
  readonly target?: string | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Permission bits. Default: 0600. */
  readonly mode?: number | undefined;
  readonly optional?: boolean | undefined;
}

/** A command and how it runs. */
export interface RunOptions extends OpOptions {
  readonly args: readonly string[];
  /** Variables of this command, added to those of the state in this order. */
  readonly env?: Readonly<Record<string, string>> | ReadonlyMap<string, string> | undefined;
  readonly cwd?: string | undefined;
  readonly user?: string | undefined;
  readonly hostname?: string | undefined;
  readonly proxyEnv?: ProxyEnv | undefined;
  /** Added to those of the state. */
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

/** The filesystems after a command. */
export interface RunResult {
  readonly root: Filesystem;
  /**
   * Returns the filesystem mounted at `target`, and whether the command may have changed it (`made`).
   *
   * @throws {VarveError} `invalid-argument` if there is no such mount, or if what is written to it is discarded.
   */
  readonly mount: (target: string) => { readonly filesystem: Filesystem; readonly made: boolean };
}

/** A mount with its source, before inputs are numbered. */
interface PlannedMount {
  readonly mount: RunMount | { readonly type: "root"; readonly target: string; readonly readonly: boolean };
  readonly source: Filesystem | undefined;
}

function isReadonly({ mount }: PlannedMount): boolean {
  return mount.type === "tmpfs" ? false : mount.readonly === true;
}

function hasOutput(planned: PlannedMount): boolean {
  const { mount } = planned;
  if (mount.type === "root") return !mount.readonly;
  return mount.type === "bind" && mount.readonly !== true && mount.noOutput !== true;
}

function planMounts(state: Filesystem, options: RunOptions): PlannedMount[] {
  const root: PlannedMount = {
    mount: { type: "root", target: ROOT_MOUNT, readonly: options.readonlyRoot === true },
    source: state,
  };
  const others = (options.mounts ?? []).map((mount): PlannedMount => {
    return { mount, source: mount.type === "tmpfs" ? undefined : mount.source };
  });
  return [root, ...others].sort((a, b) => compareBytes(a.mount.target, b.mount.target));
}

/** Numbers the inputs and outputs of an exec op in the order of its mounts. */
class Numbering {
  readonly inputs: InputNumbers = new InputNumbers();
  #outputs = 0;

  output(planned: PlannedMount): number {
    if (!hasOutput(planned)) return SKIP_OUTPUT;
    this.#outputs += 1;
    return this.#outputs - 1;
  }
}

function mountOf(planned: PlannedMount, numbering: Numbering): Mount {
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

/**
 * Returns the filesystems after a command, as outputs of a new exec vertex. As in BuildKit's client, its mounts are sorted by
 * target and are followed by secrets and then SSH agents.
 *
 * @throws {VarveError} `invalid-argument` if the command has no arguments.
 */
export function runVertex(state: Filesystem, options: RunOptions): RunResult {
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
  const mount: RunResult["mount"] = (target) => mountResult(vertex, planned, mounts, target);
  return { root: mount(ROOT_MOUNT).filesystem, mount };
}

function mountResult(
  vertex: Vertex,
  planned: readonly PlannedMount[],
  mounts: readonly Mount[],
  target: string,
): ReturnType<RunResult["mount"]> {
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
