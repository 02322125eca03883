import { type OrderedJson, digestOf, formatPlatform, goJson, hostPlatform, splitEnv } from "../core/index.ts";
import { type ExecOp, type FileAction, type Mount, type Vertex, actionName, fileActionJson } from "../llb/index.ts";
import type { Part } from "./facts.ts";
import type { Sealer } from "./sealer.ts";

/** Returns what an op's cache digest is made of, as far as it can be told to a user. */
export function partsOf(vertex: Vertex, sealer: Sealer): Part[] {
  const { op } = vertex;
  if (op.kind === "exec") return execParts(op, formatPlatform(vertex.platform ?? hostPlatform()), sealer);
  if (op.kind === "file") return op.actions.flatMap((action) => actionParts(action, op.actions.length > 1, sealer));
  return [];
}

/** Maximum characters of a value that is stored as it is. */
const MAX_VALUE = 4_096;

/** The digest of a long value covers no credentials either. */
function clip(value: string, sealer: Sealer): string {
  const safe = sealer.mask(value);
  return safe.length <= MAX_VALUE ? safe : `${safe.slice(0, 64)}… (${digestOf(safe)})`;
}

type OptionParts = (name: string, value: string | number | boolean | undefined) => Part[];

function optionWith(sealer: Sealer): OptionParts {
  return (name, value) => {
    if (value === undefined || value === "" || value === false) return [];
    return [{ kind: "option", name, value: value === true ? "yes" : clip(String(value), sealer) }];
  };
}

function execParts(
  { meta, mounts, network, security, secretEnv, cdiDevices }: ExecOp,
  on: string,
  sealer: Sealer,
): Part[] {
  const option = optionWith(sealer);
  const { args, env, cwd, user, extraHosts, hostname, ulimits, cgroupParent, validExitCodes } = meta;
  const isShell = args.length === 3 && /^-(\w*c|Command)$/i.test(args[1] ?? "");
  return [
    { kind: "command", name: "", value: clip(isShell ? (args[2] ?? "") : JSON.stringify(args), sealer) },
    ...(isShell ? option("SHELL", JSON.stringify(args.slice(0, 2))) : []),
    ...env.map((entry): Part => {
      const [name, value] = splitEnv(entry);
      return { kind: "env", name, value: sealer.value(name, value) };
    }),
    ...option("platform", on),
    ...option("WORKDIR", cwd),
    ...option("USER", user),
    ...option("network", network),
    ...option("security", security),
    ...option("hostname", hostname),
    ...option("cgroup parent", cgroupParent),
    ...ulimits.flatMap(({ name, soft, hard }) => option(`ulimit ${name}`, `${soft}:${hard}`)),
    ...extraHosts.flatMap(({ host }) => option(`host ${host}`, true)),
    ...option("exit codes", validExitCodes.join(",")),
    ...mounts.filter(({ dest }) => dest !== "/").flatMap((mount) => option(`mount ${mount.dest}`, mountText(mount))),
    ...secretEnv.flatMap(({ id, name, optional }) =>
      option(`secret ${name}`, `id=${id}${optional ? "" : ",required"}`),
    ),
    ...cdiDevices.flatMap(({ name }) => option(`device ${name}`, true)),
  ];
}

/** The options of a mount that are part of the cache key. */
function mountText(mount: Mount): string {
  const options = [`type=${mount.type}`, ...(mount.readonly ? ["readonly"] : [])];
  if (mount.selector !== "") options.push(`source=${mount.selector}`);
  if (mount.type === "tmpfs" && mount.size > 0) options.push(`size=${mount.size}`);
  if (mount.type === "cache") options.push(`sharing=${mount.sharing}`);
  if (mount.type === "secret" || mount.type === "ssh") {
    const { id, uid, gid, mode, optional } = mount.type === "secret" ? mount.secret : mount.ssh;
    options.push(`id=${id}`, `uid=${uid}`, `gid=${gid}`, `mode=${mode.toString(8).padStart(4, "0")}`);
    if (!optional) options.push("required");
  }
  return options.join(",");
}

/** What the fields of a file action are called in a Dockerfile. Others are called as BuildKit calls them. */
const FIELDS: ReadonlyMap<string, string> = new Map([
  ["src", "source"],
  ["dest", "destination"],
  ["path", "path"],
  ["data", "content"],
  ["owner", "--chown"],
  ["mode", "--chmod"],
  ["modeStr", "--chmod"],
  ["exclude_patterns", "--exclude"],
  ["include_patterns", "included paths"],
  ["required_paths", "required paths"],
  ["attemptUnpackDockerCompatibility", "--unpack"],
  ["timestamp", "SOURCE_DATE_EPOCH"],
]);

/** Fields that have this value have their default. */
const DEFAULTS: ReadonlyMap<string, string> = new Map([
  ["mode", "-1"],
  ["timestamp", "-1"],
]);

function actionParts(action: FileAction, isOneOfSeveral: boolean, sealer: Sealer): Part[] {
  const option = optionWith(sealer);
  const json = fileActionJson(action);
  const fields = json instanceof Map ? [...json.entries()] : [];
  const of = isOneOfSeveral ? ` of ${actionName(action)}` : "";
  return fields.flatMap(([field, value]: readonly [string, OrderedJson]) => {
    const text = typeof value === "string" ? value : goJson(value);
    if (DEFAULTS.get(field) === text) return [];
    const shown = field === "mode" && "mode" in action ? action.mode.toString(8).padStart(4, "0") : text;
    return option(`${FIELDS.get(field) ?? field}${of}`, shown);
  });
}
