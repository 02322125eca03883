import { CONTENT_CACHES, MOUNT_TYPES, NET_MODES, SECURITY_MODES, SHARINGS } from "./encode-exec.ts";
import { invalidOp } from "../model/invalid.ts";
import type {
  CdiDevice,
  ExecMeta,
  ExecOp,
  HostIp,
  Mount,
  ProxyEnv,
  SecretEnv,
  SecretFile,
  Ulimit,
} from "../model/exec-op.ts";
import {
  asBool,
  asBytes,
  asInt,
  asInts,
  asText,
  asUint32,
  readFields,
  readInto,
  type ProtoField,
  type Writable,
} from "./protobuf.ts";

function enumValue<T>(values: readonly T[], field: ProtoField, unknown: string): T {
  const found = values[asInt(field)];
  if (found !== undefined) return found;
  throw invalidOp(`${unknown} ${asInt(field)}`);
}

/** Reads the body of a `pb.ExecOp`. */
export function decodeExec(bytes: Uint8Array): ExecOp {
  const mounts: Mount[] = [];
  const secretEnv: SecretEnv[] = [];
  const cdiDevices: CdiDevice[] = [];
  const op: Writable<Pick<ExecOp, "network" | "security">> = { network: "default", security: "sandbox" };
  let meta: ExecMeta | undefined;
  for (const field of readFields(bytes)) {
    if (field.number === 1) meta = decodeMeta(asBytes(field));
    else if (field.number === 2) mounts.push(decodeMount(asBytes(field)));
    else if (field.number === 3) op.network = enumValue(NET_MODES, field, "unknown network mode");
    else if (field.number === 4) op.security = enumValue(SECURITY_MODES, field, "invalid security mode");
    else if (field.number === 5) secretEnv.push(decodeSecretEnv(asBytes(field)));
    else if (field.number === 6) cdiDevices.push(decodeDevice(asBytes(field)));
  }
  if (meta === undefined) throw invalidOp("invalid exec op with no meta");
  return { kind: "exec", meta, ...op, mounts, secretEnv, cdiDevices };
}

function decodeMeta(bytes: Uint8Array): ExecMeta {
  const [args, env]: [string[], string[]] = [[], []];
  const extraHosts: HostIp[] = [];
  const ulimits: Ulimit[] = [];
  const validExitCodes: number[] = [];
  const meta: Writable<ExecMeta> = {
    args,
    env,
    extraHosts,
    ulimits,
    validExitCodes,
    cwd: "",
    user: "",
    hostname: "",
    cgroupParent: "",
    removeMountStubsRecursive: false,
  };
  readInto(bytes, [
    [1, (field) => args.push(asText(field))],
    [2, (field) => env.push(asText(field))],
    [3, (field) => (meta.cwd = asText(field))],
    [4, (field) => (meta.user = asText(field))],
    [5, (field) => (meta.proxyEnv = decodeProxy(asBytes(field)))],
    [6, (field) => extraHosts.push(decodeHost(asBytes(field)))],
    [7, (field) => (meta.hostname = asText(field))],
    [9, (field) => ulimits.push(decodeUlimit(asBytes(field)))],
    [10, (field) => (meta.cgroupParent = asText(field))],
    [11, (field) => (meta.removeMountStubsRecursive = asBool(field))],
    [12, (field) => validExitCodes.push(...asInts(field))],
  ]);
  return meta;
}

/** Reads the string fields 1 to `count` of a message. */
function decodeTexts(bytes: Uint8Array, count: number): string[] {
  const texts = Array.from({ length: count }, () => "");
  for (const field of readFields(bytes)) if (field.number <= count) texts[field.number - 1] = asText(field);
  return texts;
}

function decodeProxy(bytes: Uint8Array): ProxyEnv {
  const [httpProxy = "", httpsProxy = "", ftpProxy = "", noProxy = "", allProxy = ""] = decodeTexts(bytes, 5);
  return { httpProxy, httpsProxy, ftpProxy, noProxy, allProxy };
}

function decodeHost(bytes: Uint8Array): HostIp {
  const [host = "", ip = ""] = decodeTexts(bytes, 2);
  return { host, ip };
}

function decodeUlimit(bytes: Uint8Array): Ulimit {
  const limit: Writable<Ulimit> = { name: "", soft: 0, hard: 0 };
  for (const field of readFields(bytes)) {
    if (field.number === 1) limit.name = asText(field);
    else if (field.number === 2) limit.soft = asInt(field);
    else if (field.number === 3) limit.hard = asInt(field);
  }
  return limit;
}

function decodeSecretEnv(bytes: Uint8Array): SecretEnv {
  const secret: Writable<SecretEnv> = { id: "", name: "", optional: false };
  for (const field of readFields(bytes)) {
    if (field.number === 1) secret.id = asText(field);
    else if (field.number === 2) secret.name = asText(field);
    else if (field.number === 3) secret.optional = asBool(field);
  }
  return secret;
}

function decodeDevice(bytes: Uint8Array): CdiDevice {
  const device: Writable<CdiDevice> = { name: "", optional: false };
  for (const field of readFields(bytes)) {
    if (field.number === 1) device.name = asText(field);
    else if (field.number === 2) device.optional = asBool(field);
  }
  return device;
}

function decodeSecret(bytes: Uint8Array): SecretFile {
  const file: Writable<SecretFile> = { id: "", uid: 0, gid: 0, mode: 0, optional: false };
  for (const field of readFields(bytes)) {
    if (field.number === 1) file.id = asText(field);
    else if (field.number === 2) file.uid = asUint32(field);
    else if (field.number === 3) file.gid = asUint32(field);
    else if (field.number === 4) file.mode = asUint32(field);
    else if (field.number === 5) file.optional = asBool(field);
  }
  return file;
}

function decodeCache(bytes: Uint8Array): Pick<Extract<Mount, { type: "cache" }>, "id" | "sharing"> {
  let id = "";
  let sharing: (typeof SHARINGS)[number] = "shared";
  for (const field of readFields(bytes)) {
    if (field.number === 1) id = asText(field);
    else if (field.number === 2) sharing = enumValue(SHARINGS, field, "invalid cache sharing option:");
  }
  return { id, sharing };
}

/** The serialised options of a mount. Each belongs to one mount type. */
interface MountOptions {
  tmpfs?: Uint8Array | undefined;
  cache?: Uint8Array | undefined;
  secret?: Uint8Array | undefined;
  ssh?: Uint8Array | undefined;
}

function decodeMount(bytes: Uint8Array): Mount {
  const base: Writable<Omit<Mount, "type">> = {
    input: 0,
    selector: "",
    dest: "",
    output: 0,
    readonly: false,
    resultId: "",
    contentCache: "default",
  };
  let type: Mount["type"] = "bind";
  const options: MountOptions = {};
  readInto(bytes, [
    [1, (field) => (base.input = asInt(field))],
    [2, (field) => (base.selector = asText(field))],
    [3, (field) => (base.dest = asText(field))],
    [4, (field) => (base.output = asInt(field))],
    [5, (field) => (base.readonly = asBool(field))],
    [6, (field) => (type = enumValue(MOUNT_TYPES, field, "mount type"))],
    [19, (field) => (options.tmpfs = asBytes(field))],
    [20, (field) => (options.cache = asBytes(field))],
    [21, (field) => (options.secret = asBytes(field))],
    [22, (field) => (options.ssh = asBytes(field))],
    [23, (field) => (base.resultId = asText(field))],
    [24, (field) => (base.contentCache = enumValue(CONTENT_CACHES, field, "content cache mode"))],
  ]);
  return withOptions(base, type, options);
}

function withOptions(base: Omit<Mount, "type">, type: Mount["type"], options: MountOptions): Mount {
  const required = (bytes: Uint8Array | undefined): Uint8Array => {
    if (bytes !== undefined) return bytes;
    throw invalidOp(`invalid exec op: ${type} mount ${base.dest} has no options`);
  };
  switch (type) {
    case "bind":
      return { ...base, type };
    case "cache":
      return { ...base, type, ...decodeCache(required(options.cache)) };
    case "tmpfs":
      return { ...base, type, size: tmpfsSize(options.tmpfs) };
    case "secret":
      return { ...base, type, secret: decodeSecret(required(options.secret)) };
    case "ssh":
      return { ...base, type, ssh: decodeSecret(required(options.ssh)) };
  }
}

function tmpfsSize(bytes: Uint8Array = new Uint8Array()): number {
  let size = 0;
  for (const field of readFields(bytes)) if (field.number === 1) size = asInt(field);
  return size;
}
