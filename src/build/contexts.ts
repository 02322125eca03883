import { join, resolve } from "node:path";
import { VarveError } from "../core/index.ts";
import type { MainContext, NamedContext } from "../frontend/index.ts";
import { type State, git, http } from "../llb/index.ts";
import type { BuildContext, BuildOptions, DockerfileSource } from "./options.ts";
import { openLayout } from "./layouts.ts";
import type { Session } from "./session.ts";

/** The main context, found: what the front end is told of it, and a directory in which the Dockerfile is looked for. */
export interface OpenedContext {
  readonly main: MainContext;
  readonly directory: string | undefined;
  /** Set when the context itself was a Dockerfile. */
  readonly dockerfile?: DockerfileSource;
}

const MAIN = "context";

/** Opens the main context; what it needs for that is undone with `stack`. */
export async function openContext(
  context: BuildContext,
  session: Session,
  stack: AsyncDisposableStack,
): Promise<OpenedContext> {
  switch (context.kind) {
    case "directory":
      return localContext(context.path, session);
    case "empty":
      return { main: { kind: "local", name: MAIN }, directory: undefined };
    case "stream":
      return await streamContext(context.bytes, session, stack);
    case "url":
      return await urlContext(context.url, session, stack);
  }
}

function localContext(path: string, session: Session): OpenedContext {
  const directory = resolve(path);
  session.locals.set(MAIN, directory);
  return { main: { kind: "local", name: MAIN }, directory };
}

/** An archive is unpacked into a directory of its own; anything else is a Dockerfile without a context. */
async function streamContext(
  bytes: AsyncIterable<Uint8Array>,
  session: Session,
  stack: AsyncDisposableStack,
): Promise<OpenedContext> {
  const { openStreamContext } = await import("../source/index.ts");
  const parent = join(session.store.root, "contexts");
  const opened = stack.use(await openStreamContext(bytes, parent, session.hold.signal));
  if (opened.kind === "archive") return localContext(opened.path, session);
  return { ...localContext(opened.path, session), dockerfile: { kind: "text", text: opened.text } };
}

/** A repository, or an archive or Dockerfile to download. */
async function urlContext(url: string, session: Session, stack: AsyncDisposableStack): Promise<OpenedContext> {
  if (isGitUrl(url)) {
    const { remote, fragment } = splitFragment(url);
    const [ref = "", subdir = ""] = fragment.split(":", 2);
    const state = git(remote, {
      ...(ref === "" ? {} : { ref }),
      ...(subdir === "" ? {} : { subdir }),
      name: `[internal] load git source ${url}`,
    });
    return { main: { kind: "state", state }, directory: await directoryOf(state, session, stack) };
  }
  const state = http(url, { filename: "context", name: "[internal] load remote build context" });
  const directory = await directoryOf(state, session, stack);
  const { createReadStream } = await import("node:fs");
  return await streamContext(createReadStream(join(directory ?? "", "context")), session, stack);
}

async function directoryOf(state: State, session: Session, stack: AsyncDisposableStack): Promise<string | undefined> {
  const [result] = await session.solve([state.edge]);
  if (result?.kind !== "record") return undefined;
  return stack.use(await session.store.records.mount(result.id, session.hold)).path;
}

function splitFragment(url: string): { remote: string; fragment: string } {
  const at = url.indexOf("#");
  return at < 0 ? { remote: url, fragment: "" } : { remote: url.slice(0, at), fragment: url.slice(at + 1) };
}

/** Docker's rule: git's own schemes, `git@host:path`, `github.com/…`, and http URLs whose path ends in `.git`. */
export function isGitUrl(url: string): boolean {
  if (/^(?:git|ssh):\/\/|^[^/\s:]+@[^/\s:]+:|^github\.com\//.test(url)) return true;
  return /^https?:\/\/[^#?]+\.git(?:#.*)?$/.test(url);
}

/** Named contexts, in the front end's words; directories get a local source of their own. */
export async function namedContexts(
  given: NonNullable<BuildOptions["buildContexts"]>,
  session: Session,
): Promise<Map<string, NamedContext>> {
  const entries = Object.entries(given).map(
    async ([name, source]) => [name.toLowerCase(), await namedContext(name, source, session)] as const,
  );
  return new Map(await Promise.all(entries));
}

async function namedContext(name: string, source: string, session: Session): Promise<NamedContext> {
  const [, scheme = "", rest = ""] = /^([a-z-]+):(?:\/\/)?(.*)$/s.exec(source) ?? [];
  if (scheme === "docker-image") return { kind: "image", reference: rest };
  if (scheme === "oci-layout") return await layoutContext(name, rest, session);
  if (isGitUrl(source)) return { kind: "git", url: source };
  if (scheme === "http" || scheme === "https") return { kind: "http", url: source };
  if (scheme === "target")
    throw new VarveError(
      "unsupported",
      `Cannot use build context ${name}=${source}: target: contexts belong to bake files`,
    );
  session.locals.set(name, resolve(source));
  return { kind: "local", name };
}

/** `oci-layout://path[:tag][@digest]`: its image is read into the store, where the build finds it by its digest. */
async function layoutContext(name: string, location: string, session: Session): Promise<NamedContext> {
  const match = /^(.*?)(?::([A-Za-z0-9_][\w.-]*))?(?:@(sha256:[0-9a-f]{64}))?$/s.exec(location);
  const layout = { directory: resolve(match?.[1] ?? location), tag: match?.[2] ?? "latest", digest: match?.[3] };
  const descriptor = await openLayout(layout, session.store.content, session.hold);
  session.images.provide(descriptor);
  return { kind: "oci-layout", reference: `${name}@${descriptor.digest}` };
}
