import type { ExecOp, Mount } from "./exec-op.ts";
import { EMPTY, type Op, type SourceOp, type VertexMetadata } from "./op.ts";

/**
 * Returns the capabilities that a builder needs for an op: the names from BuildKit's `solver/pb/caps.go`, as BuildKit's client
 * writes them into the op's metadata. The client writes none for later additions to file actions, so neither does this.
 */
export function capsOf(op: Op, metadata: VertexMetadata): ReadonlySet<string> {
  switch (op.kind) {
    case "source":
      return new Set(sourceCaps(op));
    case "exec":
      return new Set(execCaps(op, metadata));
    case "file":
      return new Set(["file.base"]);
    case "merge":
    case "diff":
    case "passthrough":
      return new Set([`${op.kind}op`]);
    case "build":
      return new Set();
  }
}

/** Returns the capabilities of the last entry of a definition, which names the result. */
export function resultCaps(all: Iterable<VertexMetadata>): ReadonlySet<string> {
  const caps = new Set(["constraints", "platform"]);
  for (const { ignoreCache, description, exportCache } of all) {
    if (ignoreCache) caps.add("meta.ignorecache");
    if (description.size > 0) caps.add("meta.description");
    if (exportCache !== undefined) caps.add("meta.exportcache");
  }
  return caps;
}

const IMAGE_CAPS: ReadonlyMap<string, string> = new Map([
  ["image.layerlimit", "source.image.layerlimit"],
  ["image.checksum", "source.image.checksum"],
]);

const LOCAL_CAPS: ReadonlyMap<string, string> = new Map([
  ["local.unique", "source.local.unique"],
  ["local.session", "source.local.sessionid"],
  ["local.includepattern", "source.local.includepatterns"],
  ["local.followpaths", "source.local.followpaths"],
  ["local.excludepatterns", "source.local.excludepatterns"],
  ["local.sharedkeyhint", "source.local.sharedkeyhint"],
]);

const GIT_CAPS: ReadonlyMap<string, string> = new Map([
  ["git.keepgitdir", "source.git.keepgitdir"],
  ["git.fullurl", "source.git.fullurl"],
  ["git.mountsshsock", "source.git.mountsshsock"],
  ["git.checksum", "source.git.checksum"],
  ["git.skipsubmodules", "source.git.skipsubmodules"],
  ["git.mtime", "source.git.mtime"],
  ["git.fetchbycommit", "source.git.fetchbycommit"],
]);

const HTTP_CAPS: ReadonlyMap<string, string> = new Map([
  ["http.checksum", "source.http.checksum"],
  ["http.perm", "source.http.perm"],
  // Misspelt in BuildKit too.
  ["http.uid", "soruce.http.uidgid"],
  ["http.gid", "soruce.http.uidgid"],
  ["http.authheadersecret", "source.http.auth"],
  ["http.header.accept", "source.http.header"],
  ["http.header.user-agent", "source.http.header"],
]);

function* sourceCaps({ identifier, attrs }: SourceOp): Generator<string> {
  const [scheme = ""] = identifier.split("://", 1);
  switch (scheme) {
    case "docker-image":
      yield "source.image";
      if (attrs.get("image.resolvemode") === "pull") yield "source.image.resolvemode";
      return yield* namedBy(attrs, IMAGE_CAPS);
    case "oci-layout":
      return yield "source.ocilayout";
    case "local":
      yield "source.local";
      return yield* namedBy(attrs, LOCAL_CAPS);
    case "git":
      yield "source.git";
      // BuildKit's client adds this for every SSH remote, even if it has no known hosts.
      if (attrs.has("git.mountsshsock")) yield "source.git.knownsshhosts";
      if (hasOwnSecrets(attrs)) yield "source.git.httpauth";
      return yield* namedBy(attrs, GIT_CAPS);
    case "http":
    case "https":
      yield "source.http";
      yield* namedBy(attrs, HTTP_CAPS);
  }
}

function* namedBy(attrs: ReadonlyMap<string, string>, caps: ReadonlyMap<string, string>): Generator<string> {
  for (const [attr, cap] of caps) if (attrs.has(attr)) yield cap;
}

function hasOwnSecrets(attrs: ReadonlyMap<string, string>): boolean {
  return (
    attrs.get("git.authtokensecret") !== "GIT_AUTH_TOKEN" || attrs.get("git.authheadersecret") !== "GIT_AUTH_HEADER"
  );
}

function* execCaps(op: ExecOp, { linuxResources }: VertexMetadata): Generator<string> {
  yield* ["exec.meta.base", "exec.meta.setsdefaultpath"];
  if (op.meta.validExitCodes.length > 0) yield "exec.validexitcode";
  if (op.meta.ulimits.length > 0) yield "exec.meta.ulimit";
  if (linuxResources !== undefined) yield "exec.meta.linux.resources";
  if (op.network !== "default") yield "exec.meta.network";
  if (op.security === "insecure") yield "exec.meta.security";
  if (op.meta.proxyEnv !== undefined) yield "exec.meta.proxyenv";
  for (const mount of op.mounts) yield* mountCaps(mount);
  if (op.secretEnv.length > 0) yield* ["exec.mount.secret", "exec.secretenv"];
  if (op.cdiDevices.length > 0) yield "exec.meta.cdi";
}

function* mountCaps(mount: Mount): Generator<string> {
  if (mount.selector !== "") yield "exec.mount.selector";
  if (mount.contentCache !== "default") yield "exec.mount.cache.content";
  switch (mount.type) {
    case "cache":
      return yield* ["exec.mount.cache", "exec.mount.cache.sharing"];
    case "tmpfs":
      yield "exec.mount.tmpfs";
      if (mount.size > 0) yield "exec.mount.tmpfs.size";
      return;
    case "bind":
      if (mount.input !== EMPTY) yield "exec.mount.bind";
      return;
    case "secret":
    case "ssh":
      yield `exec.mount.${mount.type}`;
  }
}
