import { type Edge, internalName } from "../../llb/index.ts";
import { readFile } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { type Digest, Limits, VarveError, errnoOf, isVarveError, toVarveError } from "../../core/index.ts";
import {
  type Dockerfile,
  type ParseOptions,
  dockerfileCandidates,
  ignoreFileCandidates,
  parseDockerfile,
} from "../../dockerfile/index.ts";
import type { Path } from "../../linux/index.ts";
import { readContextFile } from "../../source/index.ts";
import { readIgnorePatterns } from "./ignore-file.ts";
import type { CompileSettings, RemoteDockerfile } from "../options/compile-settings.ts";
import { type Progress, transferred } from "../progress/progress.ts";
import type { LocalContexts } from "./local-contexts.ts";

/** A parsed Dockerfile and the patterns of its ignore file. */
export interface LoadedDockerfile {
  readonly file: Dockerfile;
  readonly exclude: readonly string[];
  /** The vertex in progress that loaded the Dockerfile. Warnings about the Dockerfile belong to it. */
  readonly vertex: Digest;
}

/** A Dockerfile that was found and not parsed. It may be in another language. */
export interface FoundDockerfile {
  readonly text: Uint8Array;
  /** The name that messages show. */
  readonly name: string;
  /** Patterns of the ignore file. They are read when they are asked for. */
  readonly exclude: () => Promise<readonly string[]>;
  /** The vertex in progress that loaded the Dockerfile. Warnings about the Dockerfile belong to it. */
  readonly vertex: Digest;
}

interface Found {
  readonly text: Uint8Array;
  /** The name that messages show. */
  readonly name: string;
  /** Reads an ignore file by a name that `ignoreFileCandidates` returns; undefined if it does not exist. */
  readonly ignoreFile: (candidate: string) => Promise<Uint8Array | undefined>;
  /** The path to pass to `ignoreFileCandidates`. */
  readonly path: string;
}

type DockerfileSource = NonNullable<CompileSettings["dockerfile"]>;

/** The parts of a build session that finding a Dockerfile needs. */
export interface DockerfileHost {
  readonly progress: Progress;
  readonly locals: Pick<LocalContexts, "open">;
  /** Solves an edge and returns the directory with its files, which exists until `stack` is disposed of. */
  openEdge(edge: Edge, stack: AsyncDisposableStack): Promise<string>;
}

/** How a Dockerfile is found. */
export interface FindOptions {
  /** Keeps what the Dockerfile is read from. */
  readonly stack: AsyncDisposableStack;
  /** True if the context is not a local directory. Ignore files are not read then, as in BuildKit. */
  readonly isRemote?: boolean | undefined;
  /** The name of the context's local source, if the context is a directory of the client. Its ignore file is read. */
  readonly clientContext?: string | undefined;
}

/**
 * Finds the Dockerfile of a build, which can be inside or outside the context. What it is read from is given back when `stack` is disposed of.
 *
 * @throws {VarveError} `invalid-build` if the Dockerfile is missing.
 */
export async function findDockerfile(
  context: string | undefined,
  source: DockerfileSource | undefined,
  host: DockerfileHost,
  { stack, clientContext, isRemote = false }: FindOptions,
): Promise<FoundDockerfile> {
  const { progress } = host;
  const title = internalName(`load build definition from ${nameOf(source)}`);
  const { found, vertex } = await progress.activity(title, async (activity) => {
    const found = await find(context, source, { host, stack, clientContext });
    activity.report(transferred("transferring dockerfile:", found.text.byteLength));
    return { found, vertex: activity.vertex };
  });
  const exclude = async (): Promise<readonly string[]> =>
    await progress.activity(internalName("load .dockerignore"), async (activity) => {
      const { name, text } = await readIgnoreFile(found);
      activity.report(transferred("transferring context:", text.byteLength));
      return readIgnorePatterns(name, text);
    });
  return { ...found, exclude: isRemote ? () => Promise.resolve([]) : exclude, vertex };
}

/** Parses a Dockerfile and reads its ignore file. Throws `invalid-build` if it is wrong. */
export async function parseFound(
  { text, name, exclude, vertex }: FoundDockerfile,
  options: Omit<ParseOptions, "name"> = {},
): Promise<LoadedDockerfile> {
  const file = parseDockerfile(text, { ...options, name });
  return { file, exclude: await exclude(), vertex };
}

/** Returns the first ignore file that exists, or an empty one. */
async function readIgnoreFile({ path, ignoreFile }: Found): Promise<{ name: string; text: Uint8Array }> {
  for (const name of ignoreFileCandidates(path)) {
    const text = await ignoreFile(name);
    if (text !== undefined) return { name, text };
  }
  return { name: ".dockerignore", text: new Uint8Array() };
}

/** Returns the Dockerfile's name to show before it is found. */
function nameOf(source: DockerfileSource | undefined): string {
  if (source?.kind === "text") return source.name ?? "Dockerfile";
  return basename(source?.path ?? "Dockerfile");
}

interface Finder {
  readonly host: DockerfileHost;
  /** Keeps what the Dockerfile is read from. */
  readonly stack: AsyncDisposableStack;
  readonly clientContext: string | undefined;
}

async function find(context: string | undefined, source: DockerfileSource | undefined, finder: Finder): Promise<Found> {
  if (source?.kind === "client" || source?.kind === "graph") return await findRemote(source, finder);
  // oxlint-disable-next-line require-await -- rejects rather than throws
  const inContext = async (path: string): Promise<Uint8Array | undefined> =>
    context === undefined ? undefined : readContextFile(context, path, Limits.dockerfile);
  if (source?.kind === "text") {
    return {
      text: Buffer.from(source.text),
      name: source.name ?? "Dockerfile",
      path: "Dockerfile",
      ignoreFile: (name) => (name === ".dockerignore" ? inContext(name) : Promise.resolve(undefined)),
    };
  }
  if (source?.kind === "file") return await findFile(source.path, context, inContext);
  const wanted = source?.path ?? "Dockerfile";
  const { text, path } = await readFirst(
    wanted,
    inContext,
    "pass its path with -f, or the directory that contains it as the context",
  );
  return { text, name: path, path, ignoreFile: inContext };
}

/** Finds a Dockerfile in a directory of the client, or in the result of a graph. */
async function findRemote(source: RemoteDockerfile, finder: Finder): Promise<Found> {
  const directory = await remoteDirectory(source, finder);
  // oxlint-disable-next-line require-await -- rejects rather than throws
  const inDirectory = async (path: string): Promise<Uint8Array | undefined> =>
    directory === undefined ? undefined : readContextFile(directory, path, Limits.dockerfile);
  const { text, path } = await readFirst(source.path, inDirectory, "pass its path with -f");
  return {
    text,
    name: path,
    path,
    ignoreFile: async (candidate) =>
      candidate === IGNORE_FILE ? await clientIgnoreFile(finder) : await inDirectory(candidate),
  };
}

const IGNORE_FILE = ".dockerignore";

/** Returns the directory that contains a Dockerfile. Only the candidates for the Dockerfile and its ignore file are transferred. */
async function remoteDirectory(source: RemoteDockerfile, { host, stack }: Finder): Promise<Path | undefined> {
  if (source.kind === "graph") return source.edge === undefined ? undefined : await host.openEdge(source.edge, stack);
  const candidates = dockerfileCandidates(source.path);
  const followPaths = [...new Set([...candidates, ...candidates.flatMap(ignoreFileCandidates)])];
  const { name } = source;
  return (
    await host.locals.open({
      name,
      followPaths: followPaths.filter((path) => path !== IGNORE_FILE),
      sharedKeyHint: name,
      differ: "none",
    })
  ).path;
}

/** Reads the ignore file of a context that is a directory of the client. */
async function clientIgnoreFile({ host, clientContext: name }: Finder): Promise<Uint8Array | undefined> {
  if (name === undefined) return undefined;
  try {
    const { path } = await host.locals.open({
      name,
      followPaths: [IGNORE_FILE],
      sharedKeyHint: `${name}-${IGNORE_FILE}`,
      differ: "none",
    });
    return readContextFile(path, IGNORE_FILE, Limits.dockerfile);
  } catch (error) {
    // As in BuildKit: a build that does not read the context need not have one. A step that reads it fails.
    if (isVarveError(error, "not-found", "remote", "invalid-build")) return undefined;
    throw error;
  }
}

/** Reads the first of the Dockerfile's candidate paths that exists. Throws `invalid-build` if there is none. */
async function readFirst(
  wanted: string,
  read: (path: string) => Promise<Uint8Array | undefined>,
  hint: string,
): Promise<{ readonly text: Uint8Array; readonly path: string }> {
  for (const path of dockerfileCandidates(wanted)) {
    const text = await read(path);
    if (text !== undefined) return { text, path };
  }
  throw new VarveError(
    "invalid-build",
    `Cannot find the Dockerfile: failed to read dockerfile: open ${wanted}: no such file or directory`,
    { hint },
  );
}

/** Finds a Dockerfile by a path of this machine. If it is inside the context, its ignore file is read from the context too. */
async function findFile(
  wanted: string,
  context: string | undefined,
  inContext: (path: string) => Promise<Uint8Array | undefined>,
): Promise<Found> {
  const { text, path } = await readFirst(wanted, readOptional, "-f takes a path relative to the current directory");
  const name = basename(path);
  const inside = context === undefined ? ".." : relative(resolve(context), resolve(path));
  if (!inside.startsWith("..") && !isAbsolute(inside)) return { text, name, path: inside, ignoreFile: inContext };
  return {
    text,
    name,
    path: name,
    ignoreFile: async (candidate) =>
      candidate === IGNORE_FILE ? await inContext(candidate) : await readOptional(join(dirname(path), candidate)),
  };
}

async function readOptional(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw toVarveError(error, `read ${path}`, "invalid-build");
  }
}
