import { type Digest, VarveError, isDigest } from "../../core/index.ts";
import {
  type SourceKey,
  type SourceOp,
  type Vertex,
  gitKey,
  httpKey,
  imageLayersKey,
  imageManifestKey,
  localKey,
  sourceDigest,
} from "../../llb/index.ts";
import type { OpContext, SolverOp } from "../../solver/index.ts";
import type { GitRequest, HttpRequest, PullPolicy, ResolvedImage } from "../../source/index.ts";
import { type OpDeps, holdFor } from "./deps.ts";
import { type Result, recordResult } from "./result.ts";

/** A source in two steps: what it stands for, as alternative keys, and its files. */
interface Source {
  keys(context: OpContext): Promise<readonly SourceKey[]>;
  result(context: OpContext): Promise<Result>;
}

/** The work of a source vertex. */
export function sourceOp(vertex: Vertex & { readonly op: SourceOp }, deps: OpDeps): SolverOp<Result> {
  const source = openSource(vertex, deps);
  let keys: readonly SourceKey[] | undefined;
  return {
    outputs: 1,
    resources: "io",
    cacheMap: async (index, context) => {
      keys ??= await source.keys(context);
      const key = keys[index];
      if (key === undefined)
        throw new VarveError(
          "internal",
          `Cannot compute key ${index} of ${vertex.op.identifier}: there are ${keys.length}`,
        );
      return { map: { digest: sourceDigest(key), inputs: [] }, done: index === keys.length - 1 };
    },
    execute: async (_inputs, context) => [await source.result(context)],
  };
}

function openSource(vertex: Vertex & { readonly op: SourceOp }, deps: OpDeps): Source {
  const { identifier } = vertex.op;
  const [, scheme = "", rest = ""] = /^([a-z0-9+-]+):\/\/(.*)$/s.exec(identifier) ?? [];
  switch (scheme) {
    case "docker-image":
    case "oci-layout":
      return imageSource(vertex, rest, deps);
    case "local":
      return localSource(rest, vertex.op.attrs, deps);
    case "http":
    case "https":
      return httpSource(identifier, vertex.op.attrs, deps);
    case "git":
      return gitSource(rest, vertex.op.attrs, deps);
    default:
      throw new VarveError("unsupported", `Cannot use source ${identifier}: unknown scheme`);
  }
}

function pullPolicy(mode: string | undefined, fallback: PullPolicy): PullPolicy {
  if (mode === "pull") return "always";
  return mode === "local" ? "missing" : fallback;
}

function imageSource(vertex: Vertex & { readonly op: SourceOp }, name: string, deps: OpDeps): Source {
  const { attrs } = vertex.op;
  const platform = vertex.platform ?? deps.platform;
  const limit = attrs.has("image.layerlimit") ? Number(attrs.get("image.layerlimit")) : undefined;
  const resolve = async (context: OpContext): Promise<ResolvedImage> => {
    const policy = pullPolicy(attrs.get("image.resolvemode"), deps.pull);
    const image = await deps.images.resolve(name, { platform, policy }, holdFor(deps, context.signal));
    const expected = attrs.get("image.checksum");
    if (expected !== undefined && expected !== image.digest) {
      throw new VarveError("corrupt", `Cannot use image ${name}: its digest is ${image.digest}, not ${expected}`);
    }
    return image;
  };
  return {
    keys: async (context) => {
      const image = await resolve(context);
      const manifest = imageManifestKey(image.digest, platform, limit);
      return [
        manifest,
        imageLayersKey(
          image.layers.map((layer) => layer.diffId),
          limit,
        ) ?? manifest,
      ].filter(unique);
    },
    result: async (context) =>
      recordResult(deps.images.record(await resolve(context), holdFor(deps, context.signal), limit)),
  };
}

function unique<T>(item: T, index: number, all: readonly T[]): boolean {
  return all.indexOf(item) === index;
}

function localSource(name: string, attrs: ReadonlyMap<string, string>, deps: OpDeps): Source {
  const list = (key: string): string[] | undefined =>
    attrs.has(key) ? (JSON.parse(attrs.get(key) ?? "[]") as string[]) : undefined;
  const optional = <K extends string>(key: K, value: string[] | undefined): { readonly [P in K]?: string[] } =>
    value === undefined ? {} : ({ [key]: value } as { [P in K]: string[] });
  return {
    keys: () =>
      Promise.resolve([
        localKey(name, {
          sessionId: deps.hold.lease.id,
          ...optional("includePatterns", list("local.includepattern")),
          ...optional("excludePatterns", list("local.excludepatterns")),
          ...optional("followPaths", list("local.followpaths")),
        }),
      ]),
    result: async () => ({ kind: "context", context: await deps.local(name, attrs) }),
  };
}

function httpSource(url: string, attrs: ReadonlyMap<string, string>, deps: OpDeps): Source {
  const checksum = attrs.get("http.checksum");
  if (checksum !== undefined && !isDigest(checksum))
    throw new VarveError("invalid-argument", `Cannot download ${url}: ${checksum} is not a digest`);
  const number = (key: string): number => (attrs.has(key) ? Number(attrs.get(key)) : 0);
  const filename = attrs.get("http.filename");
  const request: HttpRequest = {
    url,
    mode: number("http.perm"),
    uid: number("http.uid"),
    gid: number("http.gid"),
    ...(filename === undefined ? {} : { filename }),
    ...(checksum === undefined ? {} : { checksum: checksum as Digest }),
  };
  return {
    keys: async (context) => {
      const resolved = await deps.http.resolve(request, holdFor(deps, context.signal));
      return [
        httpKey({
          filename: resolved.filename,
          perm: request.mode ?? 0,
          uid: request.uid ?? 0,
          gid: request.gid ?? 0,
          checksum: resolved.checksum,
          ...(resolved.lastModified === undefined ? {} : { lastModified: resolved.lastModified }),
        }),
      ];
    },
    result: async (context) => {
      const hold = holdFor(deps, context.signal);
      return recordResult(await deps.http.record(await deps.http.resolve(request, hold), hold));
    },
  };
}

function gitSource(identifier: string, attrs: ReadonlyMap<string, string>, deps: OpDeps): Source {
  const [location = "", fragment = ""] = identifier.split("#", 2);
  const [ref = "", subdir = ""] = fragment.split(":", 2);
  const base: GitRequest = {
    remote: attrs.get("git.fullurl") ?? `https://${location}`,
    keepGitDir: attrs.get("git.keepgitdir") === "true",
    skipSubmodules: attrs.get("git.skipsubmodules") === "true",
    ...(ref === "" ? {} : { ref }),
    ...(subdir === "" ? {} : { subdir }),
    ...(attrs.has("git.checksum") ? { checksum: attrs.get("git.checksum") ?? "" } : {}),
  };
  const request = async (): Promise<GitRequest> => ({ ...base, ...(await gitCredentials(base.remote, attrs, deps)) });
  return {
    keys: async (context) => {
      const { commit, ref: name } = await deps.git.resolve(await request(), context.signal);
      return [
        gitKey({
          commit,
          ref: name,
          keepGitDir: base.keepGitDir === true,
          subdir,
          skipSubmodules: base.skipSubmodules === true,
        }),
      ];
    },
    result: async (context) => {
      const resolved = await deps.git.resolve(await request(), context.signal);
      return recordResult(await deps.git.record(resolved, holdFor(deps, context.signal)));
    },
  };
}

async function gitCredentials(
  remote: string,
  attrs: ReadonlyMap<string, string>,
  deps: OpDeps,
): Promise<Partial<Pick<GitRequest, "auth" | "sshSocket">>> {
  if (remote.startsWith("ssh://") || /^[^/]+@/.test(remote)) {
    const socket = await deps.secrets.agent(attrs.get("git.mountsshsock") ?? "default", true);
    return socket === undefined ? {} : { sshSocket: socket };
  }
  const header = await deps.secrets.get(attrs.get("git.authheadersecret") ?? "GIT_AUTH_HEADER", true);
  if (header !== undefined) return { auth: { url: remote, header: Buffer.from(header).toString().trim() } };
  const token = await deps.secrets.get(attrs.get("git.authtokensecret") ?? "GIT_AUTH_TOKEN", true);
  if (token === undefined) return {};
  const basic = Buffer.from(`x-access-token:${Buffer.from(token).toString().trim()}`).toString("base64");
  return { auth: { url: remote, header: `basic ${basic}` } };
}
