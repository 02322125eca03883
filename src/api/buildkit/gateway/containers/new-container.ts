import { isIP } from "node:net";
import type { Result } from "../../../../engine/index.ts";
import { GrpcCode, GrpcError } from "../../../../grpc/index.ts";
import { EMPTY, MOUNT_TYPES, type Mount, NET_MODES, SHARINGS, SKIP_OUTPUT } from "../../../../llb/index.ts";
import type { NewContainerRequest } from "../../proto/gen/gateway_pb.ts";
import type { HostIP, Mount as MountMessage, SecretOpt } from "../../proto/gen/ops_pb.ts";
import { platformOf } from "../../worker/platform-message.ts";
import type { ForwardedBuild } from "../forwarded-build.ts";

/** Maximum number of mounts of a container. */
const MAX_MOUNTS = 256;
/** Maximum number of names that a container's `/etc/hosts` gets. */
const MAX_HOSTS = 1024;

/** Mounts the filesystems of a new container. Nothing runs in it yet. */
export async function newContainer(build: ForwardedBuild, request: NewContainerRequest): Promise<object> {
  const { containerId: id, hostname, platform } = request;
  await build.containers.open(id, async () => {
    const network = nameOf(NET_MODES, request.network);
    if (network === undefined) throw unknown(`invalid network mode ${request.network}`);
    if (request.mounts.length > MAX_MOUNTS) throw tooMany("mounts", MAX_MOUNTS);
    if (request.extraHosts.length > MAX_HOSTS) throw tooMany("extra hosts", MAX_HOSTS);
    const extraHosts = request.extraHosts.map(hostOf);
    const { mounts, inputs } = await mountsOf(build, request.mounts);
    const common = { id, mounts, inputs, network, hostname, extraHosts };
    return await build.session.container({ ...common, platform: platformOf(platform) });
  });
  return {};
}

function hostOf({ Host: host, IP: ip }: HostIP): { readonly host: string; readonly ip: string } {
  if (isIP(ip) === 0) throw unknown(`failed to parse IP ${ip}`);
  return { host, ip };
}

interface Mounted {
  readonly mounts: readonly Mount[];
  readonly inputs: readonly Result[];
}

/** Returns the mounts of a container, and the filesystems that they show, which are solved. */
async function mountsOf(build: ForwardedBuild, messages: readonly MountMessage[]): Promise<Mounted> {
  const inputs: Result[] = [];
  const mounts: Mount[] = [];
  for (const message of messages) {
    const { resultID: ref, dest } = message;
    if (ref === "") {
      mounts.push(mountOf(message, EMPTY));
      continue;
    }
    const known = build.refs.find(ref);
    if (known === undefined)
      throw unknown(`failed to find ref ${ref} for ${JSON.stringify(dest)} mount: return reference ${ref} not found`);
    inputs.push(await known.record());
    mounts.push(mountOf(message, inputs.length - 1));
  }
  return { mounts, inputs };
}

function mountOf(message: MountMessage, input: number): Mount {
  const { selector, dest, readonly, TmpfsOpt: tmpfs, cacheOpt, secretOpt, SSHOpt: ssh } = message;
  const base = { input, selector, dest, output: SKIP_OUTPUT, readonly, resultId: "", contentCache: "default" } as const;
  const type = nameOf(MOUNT_TYPES, message.mountType);
  switch (type) {
    case "bind":
      return { ...base, type };
    case "cache": {
      const sharing = nameOf(SHARINGS, cacheOpt?.sharing ?? 0);
      if (cacheOpt === undefined || sharing === undefined) throw unknown(`invalid cache mount ${dest}`);
      return { ...base, type, id: cacheOpt.ID, sharing };
    }
    case "tmpfs":
      return { ...base, type, size: Number(tmpfs?.size ?? 0n) };
    case "secret":
      return { ...base, type, secret: fileOf(secretOpt, dest) };
    case "ssh":
      return { ...base, type, ssh: fileOf(ssh, dest) };
    case undefined:
      throw unknown(`mount type ${message.mountType} not implemented`);
  }
}

function fileOf(
  option: Omit<SecretOpt, "$typeName"> | undefined,
  dest: string,
): Extract<Mount, { type: "ssh" }>["ssh"] {
  if (option === undefined) throw unknown(`invalid mount ${dest}: it has no options`);
  const { ID: id, uid, gid, mode, optional } = option;
  return { id, uid, gid, mode, optional };
}

/** Returns the name of an enum's value, which a client may have made up. */
export function nameOf<T>(names: readonly T[], value: number): T | undefined {
  return names[value];
}

function tooMany(what: string, limit: number): GrpcError {
  return new GrpcError(GrpcCode.resourceExhausted, `a container has at most ${limit} ${what}`);
}

function unknown(text: string): GrpcError {
  return new GrpcError(GrpcCode.unknown, text);
}
