import { type GitRef, parseGitRef } from "../../../dockerfile/index.ts";
import { Limits, VarveError, messageOf } from "../../../core/index.ts";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type Bytes, collect, limited, temporaryDirectory } from "../../../io/index.ts";
import { Root } from "../../../linux/index.ts";
import type { Hold } from "../../../record/index.ts";
import { GitSource } from "../../../source/index.ts";
import { unpackContext } from "./archive.ts";
import { dropIgnored, readDockerfile } from "./dockerfile-choice.ts";
import { getUrl } from "./download.ts";
import { failure } from "../failure.ts";
import { HashedTree } from "./hashed-tree.ts";
import type { BuildDeps, BuildRequest, Emit } from "../types.ts";

/** The files of a build. Disposal removes them. */
export interface OpenedContext extends AsyncDisposable {
  /** Undefined for a Dockerfile without a context. */
  readonly tree: HashedTree | undefined;
  readonly dockerfile: Buffer;
}

export interface ContextDeps {
  readonly deps: BuildDeps;
  readonly hold: Hold & { readonly signal: AbortSignal };
  readonly emit: Emit;
}

/** Fetches the whole context before the first message. Errors have the daemon's messages and statuses. */
export async function openContext(request: BuildRequest, from: ContextDeps): Promise<OpenedContext> {
  await using stack = new AsyncDisposableStack();
  const opened = await openTree(request, from, stack);
  if ("dockerfile" in opened) return { tree: undefined, dockerfile: opened.dockerfile, ...owned(stack) };
  const { name, bytes } = readDockerfile(opened, request.dockerfile);
  dropIgnored(opened, name);
  return { tree: opened, dockerfile: bytes, ...owned(stack) };
}

function owned(stack: AsyncDisposableStack): AsyncDisposable {
  const moved = stack.move();
  return { [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

type Opened = HashedTree | { readonly dockerfile: Buffer };

async function openTree(
  { remote, context }: BuildRequest,
  from: ContextDeps,
  stack: AsyncDisposableStack,
): Promise<Opened> {
  if (remote === undefined) return await openArchive(context, from, stack);
  const git = gitRemote(remote);
  if (git !== undefined) return await openGit(git, from, stack);
  if (!/^https?:\/\//i.test(remote)) throw failure(500, `remoteURL (${remote}) could not be recognized as URL`);
  return await openUrl(remote, from, stack);
}

/** An empty body is a context without files; reading its Dockerfile then fails. */
async function openArchive(bytes: Bytes, from: ContextDeps, stack: AsyncDisposableStack): Promise<HashedTree> {
  const directory = stack.use(await temporaryDirectory("context-", from.deps.contexts.path));
  const path = join(directory.path, "files");
  await mkdir(path);
  let size = 0;
  const counted = watchSize(limited(bytes, Limits.layerUnpacked, { what: "the build context" }), (n) => (size += n));
  try {
    return stack.use(new HashedTree(path, await unpackContext(counted, path, from.hold.signal)));
  } catch (error) {
    if (size > 0) throw error;
    return stack.use(new HashedTree(path));
  }
}

async function* watchSize(bytes: Bytes, onSize: (size: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    onSize(chunk.byteLength);
    yield chunk;
  }
}

/** Parses `github.com/a/b` and git URLs. Like the daemon, it recognizes HTTP URLs that end in `.git`. */
function gitRemote(remote: string): GitRef | undefined {
  const isShort = remote.startsWith("github.com/");
  const [plain = "", fragment] = remote.split(/#(.*)/s, 2);
  if (!isShort && !/^(?:git:\/\/|git@)/.test(remote) && !/^https?:\/\/.*\.git$/i.test(plain)) return undefined;
  const whole = isShort ? `https://${plain.endsWith(".git") ? plain : `${plain}.git`}` : plain;
  return parseGitRef(fragment === undefined ? whole : `${whole}#${fragment}`);
}

/**
 * Checks out a repository into a layer that is never committed, so that ignored files can be removed from it. As with the daemon,
 * the git directory is part of the context, and links in the path of a subdirectory are followed inside the repository.
 */
async function openGit(
  { remote, ref, subdir }: GitRef,
  { deps, hold }: ContextDeps,
  stack: AsyncDisposableStack,
): Promise<HashedTree> {
  const { records } = deps.store;
  try {
    const source = new GitSource(records, deps.repositories);
    const request = { remote, keepGitDir: true, ref: ref === "" ? undefined : ref };
    const resolved = await source.resolve(request, hold);
    const layer = stack.use(await records.begin(await source.record(resolved, hold), {}, hold));
    using root = Root.open(layer.path);
    return stack.use(new HashedTree(join(layer.path, String(root.resolve(subdir)))));
  } catch (error) {
    if (error instanceof VarveError && error.code === "cancelled") throw error;
    throw failure(500, `error fetching: ${messageOf(error)}`, error);
  }
}

const ARCHIVES = /^application\/(?:x-)?(?:tar|gzip|bzip2?|xz|octet-stream|zstd)$/;

async function openUrl(url: string, from: ContextDeps, stack: AsyncDisposableStack): Promise<Opened> {
  const response = await getUrl(url, from.hold.signal);
  const contentType = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const isText = contentType === "text/plain";
  if (!isText && contentType !== "" && !ARCHIVES.test(contentType)) {
    await response.body[Symbol.asyncIterator]().return?.();
    throw failure(500, `unsupported Content-Type ${JSON.stringify(contentType)}`);
  }
  from.emit({ status: url, id: "Downloading context" });
  const { body } = response;
  if (!isText) return await openArchive(body, from, stack);
  const dockerfile = await collect(body, Limits.dockerfile, { what: url });
  if (dockerfile.length === 0) throw failure(400, "the Dockerfile (Dockerfile) cannot be empty");
  return { dockerfile };
}
