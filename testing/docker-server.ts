import { type ChildProcess, spawn } from "node:child_process";
import { type IncomingMessage, request as httpRequest } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BuildkitServer, openDaemon } from "../src/api/buildkit/index.ts";
import {
  type ClassicBuild,
  EventBus,
  announceImage,
  buildkitTakeovers,
  dockerHandler,
} from "../src/api/docker/index.ts";
import { openListener } from "../src/api/http/index.ts";
import { type Store, openStore } from "../src/engine/index.ts";
import { type Outcome, finished } from "./varve.ts";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly text: string;
}

export interface Ask {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The Docker Engine API of a store of its own, on a socket in a folder of its own. */
export interface DockerServer extends AsyncDisposable {
  readonly folder: string;
  readonly socket: string;
  readonly store: Store;
  ask(method: string, path: string, options?: Ask): Promise<Answer>;
  /** Runs a `docker` command; `program` is the one of the system unless said. */
  docker(
    args: readonly string[],
    options?: {
      readonly input?: string | Uint8Array;
      readonly program?: string;
      readonly env?: Readonly<Record<string, string>>;
    },
  ): Promise<Outcome>;
  /** Starts any program that finds the server by `DOCKER_HOST`. */
  start(program: string, args: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess;
}

/** Asks the server at a unix socket; reads the whole answer. */
export async function askSocket(
  socketPath: string,
  method: string,
  path: string,
  { headers, body }: Ask = {},
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const asked = httpRequest({ socketPath, method, path, headers: { ...headers }, agent: false }, resolve);
  asked.on("error", reject);
  asked.end(body);
  const answer = await promise;
  const chunks: Uint8Array[] = [];
  for await (const chunk of answer as AsyncIterable<Uint8Array>) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return { status: answer.statusCode ?? 0, headers: answer.headers, body: bytes, text: bytes.toString("utf8") };
}

/** The objects of a progress stream; throws unless each ends as it must. */
export function messagesOf({ text }: Answer): Readonly<Record<string, unknown>>[] {
  const lines = text.split("\r\n");
  if (lines.pop() !== "") throw new Error(`the stream does not end with CRLF: ${text.slice(-200)}`);
  return lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
}

export interface DockerServerOptions {
  readonly classicBuild?: ClassicBuild;
  /** Whether BuildKit's API is served too. */
  readonly buildkit?: boolean;
  /** See `DockerApi.explains`. */
  readonly explains?: boolean | "everywhere";
}

export async function startDockerServer(options: DockerServerOptions = {}): Promise<DockerServer> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "varve-docker-api-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const store = stack.use(await openStore({ root: join(folder, "root") }));
  const socket = join(folder, "docker.sock");
  const { classicBuild, explains } = options;
  const events = new EventBus();
  const daemon =
    options.buildkit === true
      ? await openDaemon({ store, onImage: async (image) => await announceImage({ store, events }, image) })
      : undefined;
  const buildkit = daemon === undefined ? undefined : stack.use(new BuildkitServer(stack.use(daemon)));
  const api = { store, registry: {}, events, programVersion: "0.0.1", classicBuild, buildkit, explains };
  const address = { kind: "unix" as const, path: socket };
  stack.use(await openListener(dockerHandler(api), address, { kind: "none" }, buildkitTakeovers(api)));
  const owned = stack.move();
  const env = { ...process.env, DOCKER_HOST: `unix://${socket}`, DOCKER_CONFIG: join(folder, "config") };
  const start: DockerServer["start"] = (program, args, own = {}) =>
    spawn(program, args, { env: { ...env, DOCKER_BUILDKIT: "0", ...own }, stdio: ["pipe", "pipe", "pipe"] });
  return {
    folder,
    socket,
    store,
    ask: async (method, path, options) => await askSocket(socket, method, path, options),
    start,
    docker: async (args, { input, program = "/usr/bin/docker", env: own } = {}) =>
      await finished(start(program, args, own), input),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
