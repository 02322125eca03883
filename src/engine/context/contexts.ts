import { isHttpSource } from "../../dockerfile/index.ts";
import { type Edge, State, fileActions, http, internalName, scratch } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import type { ImageSource } from "../../source/index.ts";
import type { Result } from "../ops/result.ts";
import type { Store } from "../store/store.ts";
import { join, resolve } from "node:path";
import { VarveError } from "../../core/index.ts";
import { type MainContext, type NamedContext, gitContext, parseNamedContext } from "../../frontend/index.ts";
import { Root } from "../../linux/index.ts";
import { contextDirectory } from "./directory.ts";
import type { ArgumentOptions } from "../options/build-arguments.ts";
import type { BuildOptions, DockerfileSource } from "../options/options.ts";
import type { CompileSettings } from "../options/compile-settings.ts";
import { openLayout } from "./layouts.ts";
import type { LocalContexts, LocalDirectory } from "./local-contexts.ts";

/** The main context after it was opened. */
export interface OpenedContext {
  /** The context as the front end uses it. */
  readonly main: MainContext;
  /** The directory that contains the Dockerfile; undefined for an empty context, and for a directory of the client. */
  readonly directory: string | undefined;
  /** Set if the context itself was a Dockerfile. */
  readonly dockerfile?: DockerfileSource | undefined;
}

/** The parts of a build session that opening contexts needs. */
export interface ContextHost {
  readonly store: Pick<Store, "contexts" | "records" | "content">;
  readonly hold: Hold;
  readonly locals: Pick<LocalContexts, "add">;
  readonly images: Pick<ImageSource, "provide">;
  /** Solves the source of a context and returns its result. */
  prepare(edge: Edge): Promise<Result>;
}

const MAIN = "context";

/**
 * Opens the main context. Its mounts and temporary directories are removed when `stack` is disposed of.
 *
 * @throws {VarveError} `invalid-build` if the context is not a directory.
 */
export async function openContext(
  context: CompileSettings["context"],
  asked: ArgumentOptions,
  host: ContextHost,
  stack: AsyncDisposableStack,
): Promise<OpenedContext> {
  switch (context.kind) {
    case "directory":
      return localContext({ ...(await contextDirectory(context.path)), lasting: context.lasting !== false }, host);
    case "empty":
      return { main: { kind: "local", name: MAIN }, directory: undefined };
    case "stream":
      return await streamContext(context.bytes, host, stack);
    case "url":
      return await urlContext(context.url, asked, host, stack);
    case "client":
      return { main: { kind: "local", name: context.name }, directory: undefined };
    case "graph":
      return await graphContext(context.edge, host, stack);
  }
}

function localContext(directory: LocalDirectory, host: ContextHost, origin?: Edge): OpenedContext {
  host.locals.add(MAIN, directory);
  return { main: { kind: "local", name: MAIN, origin }, directory: directory.path };
}

/**
 * Unpacks an archive into a temporary directory. A stream that is not an archive is a Dockerfile without a context. `origin` is the
 * source of the stream.
 */
async function streamContext(
  bytes: AsyncIterable<Uint8Array>,
  host: ContextHost,
  stack: AsyncDisposableStack,
  origin?: Edge,
): Promise<OpenedContext> {
  const { openStreamContext } = await import("../../source/index.ts");
  const parent = host.store.contexts.path;
  const opened = stack.use(await openStreamContext(bytes, parent, host.hold.signal));
  const local = localContext({ path: opened.path, lasting: false }, host, origin);
  return opened.kind === "archive" ? local : { ...local, dockerfile: { kind: "text", text: opened.text } };
}

/** Opens a git repository, or downloads an archive or a Dockerfile. */
async function urlContext(
  url: string,
  { keepGitDir, commitTimes }: ArgumentOptions,
  host: ContextHost,
  stack: AsyncDisposableStack,
): Promise<OpenedContext> {
  const repository = gitContext(url, { keepGitDir, commitTimes });
  if (repository !== undefined)
    return {
      main: { kind: "state", state: repository },
      directory: await directoryOf(repository, host, stack),
    };
  const state = http(url, { filename: "context", name: internalName("load remote build context") });
  const directory = await directoryOf(state, host, stack);
  const { createReadStream } = await import("node:fs");
  return await streamContext(createReadStream(join(directory ?? "", "context")), host, stack, state.edge);
}

async function graphContext(
  edge: Edge | undefined,
  host: ContextHost,
  stack: AsyncDisposableStack,
): Promise<OpenedContext> {
  return {
    main: { kind: "state", state: new State(edge) },
    directory: edge === undefined ? undefined : await edgeDirectory(edge, host, stack),
  };
}

async function directoryOf(state: State, host: ContextHost, stack: AsyncDisposableStack): Promise<string | undefined> {
  return state.edge === undefined ? undefined : await edgeDirectory(state.edge, host, stack);
}

/** Solves an edge and returns the directory in which its files can be read. */
export async function edgeDirectory(
  edge: Edge,
  host: Pick<ContextHost, "store" | "hold" | "prepare">,
  stack: AsyncDisposableStack,
): Promise<string> {
  const result = await host.prepare(edge);
  if (result.kind === "context") return String(result.context.path);
  return stack.use(await host.store.records.mount(result.id, host.hold)).path;
}

/** Returns the context that is a directory of another one. A directory of the client has no other root, as in BuildKit. */
export function subContext(
  context: OpenedContext,
  directory: string | undefined,
  { locals }: Pick<ContextHost, "locals">,
): OpenedContext {
  const { main } = context;
  if (directory === undefined) return context;
  if (main.kind === "local") {
    if (context.directory === undefined) return context;
    using root = Root.open(context.directory);
    const path = join(context.directory, String(root.resolve(directory, { follow: true })));
    locals.add(MAIN, { path, lasting: false });
    return { ...context, directory: path };
  }
  const copy = fileActions().copy(main.state, directory, "/", { dirCopyContents: true });
  return { ...context, main: { kind: "state", state: scratch().file(copy) } };
}

/** Returns the named contexts as the front end takes them. Adds a local source to `host.locals` for each directory. */
export async function namedContexts(
  given: NonNullable<BuildOptions["buildContexts"]>,
  host: ContextHost,
): Promise<Map<string, NamedContext>> {
  const entries = Object.entries(given).map(
    async ([name, source]) => [name.toLowerCase(), await namedContext(name, source, host)] as const,
  );
  return new Map(await Promise.all(entries));
}

async function namedContext(name: string, source: string, host: ContextHost): Promise<NamedContext> {
  const [, scheme = "", rest = ""] = /^([a-z-]+):(?:\/\/)?(.*)$/s.exec(source) ?? [];
  if (scheme === "docker-image") return { kind: "image", reference: rest };
  if (scheme === "oci-layout") return await layoutContext(name, rest, host);
  if (scheme === "target")
    throw new VarveError(
      "unsupported",
      `Cannot use build context ${name}=${source}: target: contexts work in bake files only`,
    );
  if (isRemote(source)) return parseNamedContext(source);
  const local = `context:${name}`;
  host.locals.add(local, await contextDirectory(source));
  return { kind: "local", name: local };
}

/** Returns true if a context is a git repository or an HTTP URL, false if it is a local path. */
export function isRemote(text: string): boolean {
  return gitContext(text) !== undefined || isHttpSource(text);
}

/** Loads the image of `oci-layout://path[:tag][@digest]` into the store, where the build finds it by its digest. */
async function layoutContext(name: string, location: string, host: ContextHost): Promise<NamedContext> {
  const match = /^(.*?)(?::([A-Za-z0-9_][\w.-]*))?(?:@(sha256:[0-9a-f]{64}))?$/s.exec(location);
  const layout = { directory: resolve(match?.[1] ?? location), tag: match?.[2] ?? "latest", digest: match?.[3] };
  const descriptor = await openLayout(layout, host.store.content, host.hold);
  host.images.provide(descriptor);
  return { kind: "oci-layout", reference: `${name}@${descriptor.digest}` };
}
