import type { JsonNode, JsonObject } from "../core/index.ts";
import {
  type ContainerEdits,
  DEVICE_TYPES,
  type DeviceMount,
  type DeviceNode,
  HOOK_NAMES,
  type Hook,
  type IntelRdt,
  type NetDevice,
} from "./types.ts";

/** Maximum number of items of each list of edits. A device of a large machine has some hundreds. */
const MAX_ITEMS = 10_000;
const MAX_ID = 2 ** 32 - 1;

/** Reads edits. Throws the document's error for what the specification does not allow. An absent object is one without edits. */
export function readEdits(node: JsonNode): ContainerEdits {
  const json = node.objectOrEmpty();
  const edits: ContainerEdits = {
    env: environment(json.field("env")),
    deviceNodes: json.field("deviceNodes").list(readNode, MAX_ITEMS) ?? [],
    mounts: json.field("mounts").list(readMount, MAX_ITEMS) ?? [],
    hooks: json.field("hooks").list(readHook, MAX_ITEMS) ?? [],
    netDevices: netDevices(json.field("netDevices")),
    intelRdt: readIntelRdt(json.field("intelRdt")),
    additionalGids: json.field("additionalGids").list(requiredId, MAX_ITEMS) ?? [],
  };
  json.rejectUnknown();
  return edits;
}

/** True for edits that change nothing. */
export function isEmpty({ intelRdt, ...lists }: ContainerEdits): boolean {
  return intelRdt === undefined && Object.values(lists).every((list) => list.length === 0);
}

/** A text. As in Kubernetes' reader of YAML, a number and a boolean are texts too. */
export function text(node: JsonNode): string | undefined {
  const { raw } = node;
  return typeof raw === "number" || typeof raw === "boolean" ? String(raw) : node.string();
}

function required(json: JsonObject, name: string): string {
  const value = text(json.field(name)) ?? "";
  return value === "" ? json.field(name).fail("a text") : value;
}

function optional(json: JsonObject, name: string): string | undefined {
  return text(json.field(name)) || undefined;
}

function texts(node: JsonNode): string[] {
  return node.list((item) => text(item) ?? "", MAX_ITEMS) ?? [];
}

function environment(node: JsonNode): string[] {
  const entry = (item: JsonNode): string => {
    const value = text(item) ?? "";
    return value.indexOf("=") > 0 && !value.includes("\0") ? value : item.fail("NAME=value");
  };
  return node.list(entry, MAX_ITEMS) ?? [];
}

function whole(node: JsonNode, max: number): number | undefined {
  const value = node.integer();
  return value === undefined || (value >= 0 && value <= max) ? value : node.fail(`a number from 0 to ${max}`);
}

function requiredId(node: JsonNode): number {
  return whole(node, MAX_ID) ?? node.fail("an id");
}

function readNode(node: JsonNode): DeviceNode {
  const json = node.requiredObject();
  const given = optional(json, "type");
  const permissions = optional(json, "permissions");
  const type = DEVICE_TYPES.find((each) => each === given);
  if (given !== undefined && type === undefined) json.field("type").fail(`one of ${DEVICE_TYPES.join(", ")}`);
  if (permissions !== undefined && !/^[rwm]+$/.test(permissions)) json.field("permissions").fail("some of r, w and m");
  const read: DeviceNode = {
    path: required(json, "path"),
    hostPath: optional(json, "hostPath"),
    type,
    major: whole(json.field("major"), MAX_ID),
    minor: whole(json.field("minor"), MAX_ID),
    fileMode: whole(json.field("fileMode"), 0o7777),
    permissions,
    uid: whole(json.field("uid"), MAX_ID),
    gid: whole(json.field("gid"), MAX_ID),
  };
  json.rejectUnknown();
  return read;
}

function readMount(node: JsonNode): DeviceMount {
  const json = node.requiredObject();
  const read: DeviceMount = {
    hostPath: required(json, "hostPath"),
    containerPath: required(json, "containerPath"),
    type: optional(json, "type"),
    options: texts(json.field("options")),
  };
  json.rejectUnknown();
  return read;
}

function readHook(node: JsonNode): Hook {
  const json = node.requiredObject();
  const given = required(json, "hookName");
  const read: Hook = {
    name: HOOK_NAMES.find((each) => each === given) ?? json.field("hookName").fail("the name of a hook"),
    path: required(json, "path"),
    args: texts(json.field("args")),
    env: environment(json.field("env")),
    timeout: whole(json.field("timeout"), MAX_ID),
  };
  json.rejectUnknown();
  return read;
}

function netDevices(node: JsonNode): NetDevice[] {
  const devices =
    node.list((item): NetDevice => {
      const json = item.requiredObject();
      const read = { hostInterfaceName: required(json, "hostInterfaceName"), name: required(json, "name") };
      json.rejectUnknown();
      return read;
    }, MAX_ITEMS) ?? [];
  for (const key of ["hostInterfaceName", "name"] as const)
    if (new Set(devices.map((device) => device[key])).size < devices.length) node.fail("a list with each name once");
  return devices;
}

function readIntelRdt(node: JsonNode): IntelRdt | undefined {
  const json = node.object();
  if (json === undefined) return undefined;
  const closID = optional(json, "closID");
  const isName = closID === undefined || (closID.length < 4096 && !/[/\n]/.test(closID) && !/^\.\.?$/.test(closID));
  if (!isName && closID !== "/") json.field("closID").fail("the name of a class");
  const read: IntelRdt = {
    closID,
    l3CacheSchema: optional(json, "l3CacheSchema"),
    memBwSchema: optional(json, "memBwSchema"),
    schemata: json.has("schemata") ? texts(json.field("schemata")) : undefined,
    enableMonitoring: json.boolean("enableMonitoring"),
  };
  json.rejectUnknown();
  return read;
}
