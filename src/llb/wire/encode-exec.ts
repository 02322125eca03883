import type { ExecMeta, ExecOp, Mount, ProxyEnv, SecretFile } from "../model/exec-op.ts";
import { ProtoWriter } from "./protobuf.ts";

/** Enum values of `ops.proto`, in the order of their numbers. */
export const NET_MODES = ["default", "host", "none"] as const;
export const SECURITY_MODES = ["sandbox", "insecure"] as const;
export const MOUNT_TYPES = ["bind", "secret", "ssh", "cache", "tmpfs"] as const;
export const SHARINGS = ["shared", "private", "locked"] as const;
export const CONTENT_CACHES = ["default", "on", "off"] as const;

/** Encodes the body of a `pb.ExecOp`. */
export function encodeExec(op: ExecOp): ProtoWriter {
  const writer = new ProtoWriter().message(1, encodeMeta(op.meta));
  for (const mount of op.mounts) writer.message(2, encodeMount(mount));
  writer.varint(3, NET_MODES.indexOf(op.network)).varint(4, SECURITY_MODES.indexOf(op.security));
  for (const { id, name, optional } of op.secretEnv)
    writer.message(5, new ProtoWriter().bytes(1, id).bytes(2, name).varint(3, optional));
  for (const { name, optional } of op.cdiDevices)
    writer.message(6, new ProtoWriter().bytes(1, name).varint(2, optional));
  return writer;
}

function encodeMeta(meta: ExecMeta): ProtoWriter {
  const writer = new ProtoWriter().repeated(1, meta.args).repeated(2, meta.env).bytes(3, meta.cwd).bytes(4, meta.user);
  if (meta.proxyEnv !== undefined) writer.message(5, encodeProxy(meta.proxyEnv));
  for (const { host, ip } of meta.extraHosts) writer.message(6, new ProtoWriter().bytes(1, host).bytes(2, ip));
  writer.bytes(7, meta.hostname);
  for (const { name, soft, hard } of meta.ulimits)
    writer.message(9, new ProtoWriter().bytes(1, name).varint(2, soft).varint(3, hard));
  return writer.bytes(10, meta.cgroupParent).varint(11, meta.removeMountStubsRecursive).packed(12, meta.validExitCodes);
}

function encodeProxy(proxy: ProxyEnv): ProtoWriter {
  return new ProtoWriter()
    .bytes(1, proxy.httpProxy)
    .bytes(2, proxy.httpsProxy)
    .bytes(3, proxy.ftpProxy)
    .bytes(4, proxy.noProxy)
    .bytes(5, proxy.allProxy);
}

function encodeSecret(file: SecretFile): ProtoWriter {
  return new ProtoWriter()
    .bytes(1, file.id)
    .varint(2, file.uid)
    .varint(3, file.gid)
    .varint(4, file.mode)
    .varint(5, file.optional);
}

function encodeMount(mount: Mount): ProtoWriter {
  const writer = new ProtoWriter()
    .varint(1, mount.input)
    .bytes(2, mount.selector)
    .bytes(3, mount.dest)
    .varint(4, mount.output)
    .varint(5, mount.readonly)
    .varint(6, MOUNT_TYPES.indexOf(mount.type));
  if (mount.type === "tmpfs") writer.message(19, new ProtoWriter().varint(1, mount.size));
  if (mount.type === "cache")
    writer.message(20, new ProtoWriter().bytes(1, mount.id).varint(2, SHARINGS.indexOf(mount.sharing)));
  if (mount.type === "secret") writer.message(21, encodeSecret(mount.secret));
  if (mount.type === "ssh") writer.message(22, encodeSecret(mount.ssh));
  return writer.bytes(23, mount.resultId).varint(24, CONTENT_CACHES.indexOf(mount.contentCache));
}
