import {
  type RunMount,
  type RunSecret,
  type RunSsh,
  type State,
  fileActions,
  internalName,
  scratch,
} from "../../llb/index.ts";
import { type RunInstruction, type RunMount as MountSpec, fault } from "../../dockerfile/index.ts";
import { basePath, cleanPath, joinPath } from "../../pattern/index.ts";
import type { PassStates } from "./pass-states.ts";
import type { StageNode } from "../stages/stage-node.ts";
import type { StageState } from "./stage-state.ts";

/** The compiled `--mount` flags of a step. */
export interface RunMounts {
  readonly mounts: readonly RunMount[];
  readonly secrets: readonly RunSecret[];
  readonly ssh: readonly RunSsh[];
}

interface FileOwner {
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  readonly mode?: number | undefined;
}

/** Returns owner and mode of a secret's file or socket. Empty if the mount gives none of them. */
function fileOwner({ uid, gid, mode }: MountSpec, defaultMode: number): FileOwner {
  if (uid === undefined && gid === undefined && mode === undefined) return {};
  return { uid: uid ?? 0, gid: gid ?? 0, mode: mode ?? defaultMode };
}

function secretOf(stage: StageState, mount: MountSpec, instruction: RunInstruction): RunSecret {
  const id = mount.source || mount.id || basePath(mount.target);
  if (mount.source === "" && mount.id === "" && mount.target === "") throw fault("one of source, target required");
  const target = mount.env === undefined ? mount.target || `/run/secrets/${basePath(id)}` : mount.target;
  if (!stage.secrets.has(id)) stage.secrets.set(id, { name: id, required: mount.required, range: instruction.range });
  return {
    id,
    optional: !mount.required,
    ...(target === "" ? {} : { target }),
    env: mount.env,
    ...fileOwner(mount, 0o400),
  };
}

function sshOf(stage: StageState, mount: MountSpec, instruction: RunInstruction): RunSsh {
  if (mount.source !== "") throw fault("ssh does not support source");
  const id = mount.id || "default";
  if (!stage.agents.has(id)) stage.agents.set(id, { name: id, required: mount.required, range: instruction.range });
  return {
    id: mount.id,
    optional: !mount.required,
    ...(mount.target === "" ? {} : { target: mount.target }),
    ...fileOwner(mount, 0o600),
  };
}

function targetOf(stage: StageState, { target }: MountSpec): string {
  const absolute = cleanPath(target).startsWith("/") ? target : joinPath("/", stage.state.defaults.dir, target);
  if (absolute === "/") throw fault(`invalid mount target "${absolute}"`);
  return absolute;
}

interface Source {
  readonly state: State;
  readonly selector?: string | undefined;
}

function isContext({ from, type }: MountSpec): boolean {
  return from === "" && type !== "cache" && type !== "tmpfs";
}

function sourceState(mount: MountSpec, node: StageNode | undefined, states: PassStates): State {
  if (isContext(mount)) return states.mainContext;
  if (mount.type === "tmpfs" || mount.from === "") return scratch();
  const source = node === undefined ? undefined : states.stageOf(node);
  if (source === undefined) {
    const where = `"${mount.from}" to "${mount.target}"`;
    throw fault(`cannot mount from stage ${where}, stage needs to be defined before current command`);
  }
  return source.state;
}

/** Returns a state with the directory from which a cache mount with an owner or a mode starts. */
function withPermissions(state: State, { uid = 0, gid = 0, mode = 0o755 }: MountSpec): State {
  const actions = fileActions().mkdir("/cache", mode, { owner: { user: uid, group: gid } });
  return state.file(actions, { name: internalName("setting cache mount permissions") });
}

function sourceOf(mount: MountSpec, node: StageNode | undefined, states: PassStates): Source {
  const state = sourceState(mount, node, states);
  const selector = joinPath("/", mount.source);
  if (selector !== "/") return { state, selector };
  if (mount.uid === undefined && mount.gid === undefined && mount.mode === undefined) return { state };
  return { state: withPermissions(state, mount), selector: "/cache" };
}

function mountOf(stage: StageState, mount: MountSpec, node: StageNode | undefined, states: PassStates): RunMount {
  const target = targetOf(stage, mount);
  if (mount.type === "tmpfs") return { type: "tmpfs", target, size: mount.size };
  const { state, selector } = sourceOf(mount, node, states);
  const base = { target, source: state, selector, readonly: mount.readonly };
  if (mount.type !== "cache") return { type: "bind", ...base, ...(mount.readonly ? {} : { noOutput: true }) };
  const id = mount.id === "" ? cleanPath(mount.target) : mount.id;
  const namespace = stage.context.options.cacheNamespace ?? "";
  return { type: "cache", ...base, id: `${namespace}/${id}`, sharing: mount.sharing ?? "shared" };
}

function markUsed(stage: StageState, mount: MountSpec, node: StageNode | undefined, states: PassStates): void {
  const path = joinPath("/", mount.source);
  if (isContext(mount)) stage.contextPaths.add(path);
  else if (node !== undefined) states.stageOf(node)?.paths.add(path);
}

/** Compiles the mounts of a RUN whose variables are expanded. `sources` has the stage of `from` for each mount. */
export function runMounts(
  stage: StageState,
  instruction: RunInstruction,
  sources: readonly StageNode[],
  states: PassStates,
): RunMounts {
  const mounts: RunMount[] = [];
  const secrets: RunSecret[] = [];
  const ssh: RunSsh[] = [];
  for (const [index, mount] of instruction.mounts.entries()) {
    if (mount.type === "secret") secrets.push(secretOf(stage, mount, instruction));
    else if (mount.type === "ssh") ssh.push(sshOf(stage, mount, instruction));
    else {
      mounts.push(mountOf(stage, mount, sources[index], states));
      markUsed(stage, mount, sources[index], states);
    }
  }
  return { mounts, secrets, ssh };
}
