import type { OrderedJson, Platform } from "../../core/index.ts";
import {
  CONTENT_CACHES,
  type ExecMeta,
  type ExecOp,
  type FileAction,
  MOUNT_TYPES,
  type Mount,
  NET_MODES,
  type Op,
  SECURITY_MODES,
  SHARINGS,
  type SecretFile,
  fileActionJson,
  omitEmpty,
} from "../../llb/index.ts";
import { redactCredentials } from "../redact.ts";

export interface PrintedOp {
  /** Undefined for the last op of a definition, which only names the result. */
  readonly op?: Op | undefined;
  readonly platform?: Platform | undefined;
  readonly constraints?: readonly string[] | undefined;
}

/** Attributes of local sources that differ from build to build. */
export const SESSION_ATTRIBUTES: ReadonlySet<string> = new Set(["local.session", "local.unique"]);

/**
 * Returns an op as Go's `encoding/json` prints BuildKit's `pb.Op`, without its inputs. Fields that are zero are left out, except in
 * the places where BuildKit writes them.
 */
export function opJson({ op, platform, constraints }: PrintedOp): OrderedJson {
  return {
    Op: op === undefined ? {} : { [op.kind]: bodyJson(op) },
    platform: platform && platformJson(platform),
    constraints: constraints && omitEmpty({ filter: constraints }),
  };
}

function actionJson(action: FileAction): OrderedJson {
  const { kind, input, secondaryInput, output } = action;
  return { input, secondaryInput, output, Action: { [kind]: fileActionJson(action) } };
}

function platformJson({ architecture, os, variant, osVersion, osFeatures }: Platform): OrderedJson {
  return omitEmpty({
    Architecture: architecture,
    OS: os,
    Variant: variant,
    OSVersion: osVersion,
    OSFeatures: osFeatures,
  });
}

function bodyJson(op: Op): OrderedJson {
  switch (op.kind) {
    case "source":
      return omitEmpty({ identifier: redactCredentials(op.identifier), attrs: attributesJson(op.attrs) });
    case "exec":
      return execJson(op);
    case "file":
      return omitEmpty({ actions: op.actions.map(actionJson) });
    case "merge":
      return omitEmpty({ inputs: op.inputs.map((input) => omitEmpty({ input })) });
    case "diff":
      return { lower: omitEmpty({ input: op.lower }), upper: omitEmpty({ input: op.upper }) };
    case "build":
      return omitEmpty({
        builder: op.builder,
        inputs: op.inputs.size === 0 ? undefined : mapJson(op.inputs, (input) => omitEmpty({ input })),
        attrs: attributesJson(op.attrs),
      });
    case "passthrough":
      return omitEmpty({ id: op.id, outputs: op.outputs });
  }
}

/** Attributes may hold URLs with credentials, such as `git.fullurl`. */
function attributesJson(attrs: ReadonlyMap<string, string>): OrderedJson {
  const kept = [...attrs].filter(([key]) => !SESSION_ATTRIBUTES.has(key));
  return kept.length === 0 ? undefined : mapJson(new Map(kept), redactCredentials);
}

function mapJson<T>(map: ReadonlyMap<string, T>, convert: (value: T) => OrderedJson): OrderedJson {
  const names = [...map.keys()].toSorted();
  return new Map(
    names.flatMap((name) => {
      const value = map.get(name);
      return value === undefined ? [] : [[name, convert(value)] as const];
    }),
  );
}

function execJson({ meta, mounts, network, security, secretEnv, cdiDevices }: ExecOp): OrderedJson {
  return omitEmpty({
    meta: metaJson(meta),
    mounts: mounts.map(mountJson),
    network: NET_MODES.indexOf(network),
    security: SECURITY_MODES.indexOf(security),
    secretenv: secretEnv.map(({ id, name, optional }) => omitEmpty({ ID: id, name, optional })),
    cdiDevices: cdiDevices.map(({ name, optional }) => omitEmpty({ name, optional })),
  });
}

function metaJson(meta: ExecMeta): OrderedJson {
  const { args, env, cwd, user, proxyEnv, extraHosts, hostname, ulimits, cgroupParent, validExitCodes } = meta;
  return omitEmpty({
    args,
    env,
    cwd,
    user,
    proxy_env: proxyEnv && proxyJson(proxyEnv),
    extraHosts: extraHosts.map(({ host, ip }) => omitEmpty({ Host: host, IP: ip })),
    hostname,
    ulimit: ulimits.map(({ name, soft, hard }) => omitEmpty({ Name: name, Soft: soft, Hard: hard })),
    cgroupParent,
    removeMountStubsRecursive: meta.removeMountStubsRecursive,
    validExitCodes,
  });
}

function proxyJson(proxy: NonNullable<ExecMeta["proxyEnv"]>): OrderedJson {
  return omitEmpty({
    http_proxy: redactCredentials(proxy.httpProxy),
    https_proxy: redactCredentials(proxy.httpsProxy),
    ftp_proxy: redactCredentials(proxy.ftpProxy),
    no_proxy: proxy.noProxy,
    all_proxy: redactCredentials(proxy.allProxy),
  });
}

function mountJson(mount: Mount): OrderedJson {
  const { input, selector, dest, output, readonly: isReadonly, resultId, contentCache, type } = mount;
  return omitEmpty({
    input,
    selector,
    dest,
    output,
    readonly: isReadonly,
    mountType: MOUNT_TYPES.indexOf(type),
    TmpfsOpt: mount.type === "tmpfs" ? omitEmpty({ size: mount.size }) : undefined,
    cacheOpt:
      mount.type === "cache" ? omitEmpty({ ID: mount.id, sharing: SHARINGS.indexOf(mount.sharing) }) : undefined,
    secretOpt: mount.type === "secret" ? secretJson(mount.secret) : undefined,
    SSHOpt: mount.type === "ssh" ? secretJson(mount.ssh) : undefined,
    resultID: resultId,
    contentCache: CONTENT_CACHES.indexOf(contentCache),
  });
}

function secretJson({ id, uid, gid, mode, optional }: SecretFile): OrderedJson {
  return omitEmpty({ ID: id, uid, gid, mode, optional });
}
