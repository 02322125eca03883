import { digestOf, goJson, normalizePlatform, VarveError, type OrderedJson, type Platform } from "../../core/index.ts";
import { wholeTree } from "../../contenthash/index.ts";
import { joinPath } from "../../pattern/index.ts";
import type { InputKey, OpKey } from "./op-key.ts";
import { CONTENT_CACHES, MOUNT_TYPES, NET_MODES, SECURITY_MODES, SHARINGS } from "../wire/encode-exec.ts";
import {
  ROOT_MOUNT,
  type CacheMount,
  type ExecMeta,
  type ExecOp,
  type Mount,
  type SecretFile,
} from "../model/exec-op.ts";
import { omitEmpty } from "../model/go-json.ts";
import { EMPTY, SKIP_OUTPUT } from "../model/op.ts";
import { dedupePaths, selectorDigest } from "./selectors.ts";

/**
 * Returns the cache key of an exec op: the command, without its inputs. As in BuildKit, the key leaves out proxies, addresses
 * of extra hosts, selectors, and the ids of cache mounts that were named explicitly. It also leaves out a plain root mount
 * that is the only mount, because old versions of BuildKit did.
 */
export function execKey(op: ExecOp, inputs: number, platform: Platform): OpKey {
  const target = normalizePlatform(platform);
  const json = goJson({
    Type: "buildkit.exec.v0",
    Exec: execJson(op),
    OS: target.os,
    Arch: target.architecture,
    Variant: target.variant,
    OSVersion: target.osVersion,
    OSFeatures: target.osFeatures,
  });
  return { digest: digestOf(json), inputs: inputKeys(op, inputs) };
}

function execJson(op: ExecOp): OrderedJson {
  return omitEmpty({
    meta: metaJson(op.meta),
    mounts: isPlainRoot(op.mounts) ? [] : op.mounts.map(mountJson),
    network: NET_MODES.indexOf(op.network),
    security: SECURITY_MODES.indexOf(op.security),
    secretenv: op.secretEnv.map(({ id, name, optional }) => omitEmpty({ ID: id, name, optional })),
    cdiDevices: op.cdiDevices.map(({ name, optional }) => omitEmpty({ name, optional })),
  });
}

function metaJson(meta: ExecMeta): OrderedJson {
  return omitEmpty({
    args: meta.args,
    env: meta.env,
    cwd: meta.cwd,
    user: meta.user,
    extraHosts: meta.extraHosts.map(({ host }) => omitEmpty({ Host: host })),
    hostname: meta.hostname,
    ulimit: meta.ulimits.map(({ name, soft, hard }) => omitEmpty({ Name: name, Soft: soft, Hard: hard })),
    cgroupParent: meta.cgroupParent,
    removeMountStubsRecursive: meta.removeMountStubsRecursive,
    validExitCodes: meta.validExitCodes,
  });
}

function isPlainRoot(mounts: readonly Mount[]): boolean {
  const [mount] = mounts;
  if (mount === undefined || mounts.length !== 1) return false;
  return mount.type === "bind" && mount.dest === ROOT_MOUNT && !mount.readonly && mount.resultId === "";
}

function mountJson(mount: Mount): OrderedJson {
  return omitEmpty({
    input: mount.input,
    dest: mount.dest,
    output: mount.output,
    readonly: mount.readonly,
    mountType: MOUNT_TYPES.indexOf(mount.type),
    TmpfsOpt: mount.type === "tmpfs" ? omitEmpty({ size: mount.size }) : undefined,
    cacheOpt: mount.type === "cache" ? cacheJson(mount) : undefined,
    secretOpt: mount.type === "secret" ? secretJson(mount.secret) : undefined,
    SSHOpt: mount.type === "ssh" ? secretJson(mount.ssh) : undefined,
    resultID: mount.resultId,
    contentCache: CONTENT_CACHES.indexOf(mount.contentCache),
  });
}

function secretJson({ id, uid, gid, mode, optional }: SecretFile): OrderedJson {
  return omitEmpty({ ID: id, uid, gid, mode, optional });
}

/** Only a Dockerfile's default id, `<namespace>/<target>`, is part of the key. */
function cacheJson({ id, sharing, dest }: CacheMount): OrderedJson {
  const slash = id.indexOf("/");
  const isDefault = sharing === "shared" && (id === dest || (slash >= 0 && id.slice(slash + 1) === dest));
  return isDefault ? omitEmpty({ ID: id, sharing: SHARINGS.indexOf(sharing) }) : {};
}

function inputKeys(op: ExecOp, count: number): InputKey[] {
  const paths: string[][] = Array.from({ length: count }, () => []);
  const byContent: boolean[] = Array.from({ length: count }, () => false);
  for (const mount of op.mounts) {
    if ((mount.type !== "bind" && mount.type !== "cache") || mount.input === EMPTY) continue;
    const listed = paths[mount.input];
    if (listed === undefined)
      throw new VarveError(
        "invalid-argument",
        `Cannot use mount ${mount.dest}: it names input ${mount.input} of ${count}`,
      );
    const selector = joinPath("/", mount.selector);
    listed.push(selector);
    byContent[mount.input] = mayUseContent(mount, selector);
  }
  return paths.map((listed, index) => inputKey(listed, byContent[index] === true));
}

function inputKey(paths: readonly string[], byContent: boolean): InputKey {
  const selector = paths.length === 0 ? undefined : selectorDigest(paths);
  if (!byContent) return { selector, preload: true };
  const distinct = dedupePaths(paths);
  const whole = distinct.includes("/") || distinct.length === 0;
  const content = whole ? [wholeTree] : distinct.map((path) => ({ ...wholeTree, path, followLinks: true }));
  return { selector, content, preload: true };
}

/**
 * True if a mount may have a content key. That is the case only if nothing outside the selected path can get into a result:
 * the mount is discarded, is read-only, or is selected as a whole. The root mount has none, because hashing it is expensive.
 */
function mayUseContent(mount: Mount, selector: string): boolean {
  const safe = mount.output === SKIP_OUTPUT || mount.readonly || selector === "/";
  if (mount.contentCache === "off") return false;
  if (mount.contentCache === "on") {
    if (safe) return true;
    throw new VarveError(
      "invalid-argument",
      `Cannot cache mount ${mount.dest} by content: it is a writable part of a larger tree`,
    );
  }
  return safe && mount.dest !== ROOT_MOUNT;
}
