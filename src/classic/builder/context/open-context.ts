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
import { get } from "./download.ts";
import { failure } from "../failure.ts";
import { HashedTree } from "./hashed-tree.ts";
import type { BuildDeps, BuildRequest, Emit } from "../types.ts";

/** What a build is made from, until it is disposed of. */
export interface OpenedContext extends AsyncDisposable {
  /** Undefined where a Dockerfile came alone. */
  readonly tree: HashedTree | undefined;
  readonly dockerfile: Buffer;
}

export interface ContextDeps {
  readonly deps: BuildDeps;
  readonly hold: Hold & { readonly signal: AbortSignal };
  readonly emit: Emit;
}

/** Gets the whole context before anything is told. Throws the daemon's words and statuses. */
export async function openContext(request: BuildRequest, from: ContextDeps): Promise<OpenedContext> {
  await using stack = new AsyncDisposableStack();
  const found = await openTree(request, from, stack);
  if ("dockerfile" in found) return { tree: undefined, dockerfile: found.dockerfile, ...owned(stack) };
  const { name, bytes } = readDockerfile(found, request.dockerfile);
  dropIgnored(found, name);
  return { tree: found, dockerfile: bytes, ...owned(stack) };
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

/** An empty body is a context without files: then there is no Dockerfile. */
async function openArchive(bytes: Bytes, from: ContextDeps, stack: AsyncDisposableStack): Promise<HashedTree> {
  const directory = stack.use(await temporaryDirectory("context-", from.deps.contexts.path));
  const path = join(directory.path, "files");
  await mkdir(path);
  let size = 0;
  const watched = watch(limited(bytes, Limits.layerUnpacked, { what: "the build context" }), (n) => (size += n));
  try {
    return stack.use(new HashedTree(path, await unpackContext(watched, path, from.hold.signal)));
  } catch (error) {
    if (size > 0) throw error;
    return stack.use(new HashedTree(path));
  }
}

async function* watch(bytes: Bytes, onSize: (size: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of bytes) {
    onSize(chunk.byteLength);
    yield chunk;
  }
}

/** `github.com/a/b` and git URLs; the daemon knows them by their ends. */
function gitRemote(remote: string): GitRef | undefined {
  const isShort = remote.startsWith("github.com/");
  const [plain = "", fragment] = remote.split(/#(.*)/s, 2);
  if (!isShort && !/^(?:git:\/\/|git@)/.test(remote) && !/^https?:\/\/.*\.git$/i.test(plain)) return undefined;
  const whole = isShort ? `https://${plain.endsWith(".git") ? plain : `${plain}.git`}` : plain;
  return parseGitRef(fragment === undefined ? whole : `${whole}#${fragment}`);
}

/**
 * A layer that is never committed: what the ignore file names can be taken out of it. As with the daemon, the git directory is
 * part of the context, and a subdirectory is found through links inside the repository.
 */
async function openGit(
  { remote, ref, subdir }: GitRef,
  { deps, hold }: ContextDeps,
  stack: AsyncDisposableStack,
): Promise<HashedTree> {
  const { records } = deps.store;
  try {
    const source = new GitSource(records, deps.repositories);
    const request = { remote, keepGitDir: true, ...(ref !== "" && { ref }) };
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
  const response = await get(url, from.hold.signal);
  const told = (response.headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
  const isText = told === "text/plain";
  if (!isText && told !== "" && !ARCHIVES.test(told)) {
    await response.body[Symbol.asyncIterator]().return?.();
    throw failure(500, `unsupported Content-Type ${JSON.stringify(told)}`);
  }
  from.emit({ status: url, id: "Downloading context" });
  const { body } = response;
  if (!isText) return await openArchive(body, from, stack);
  const dockerfile = await collect(body, Limits.dockerfile, { what: url });
  if (dockerfile.length === 0) throw failure(400, "the Dockerfile (Dockerfile) cannot be empty");
  return { dockerfile };
}
