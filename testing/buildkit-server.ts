import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type RegistryServer, startRegistry } from "./registry-server.ts";
import { StockClients } from "./stock-clients.ts";
import { type RunOptions, Varve, busyboxImage, sh } from "./varve.ts";

const START_MS = 120_000;
const LISTENS = /(?:API listen|^running server) on (\S+)$/;

/** `varve serve` or `varve buildkitd` while it runs. Disposing of it ends it. */
export interface ServingVarve extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it listens on, in the order of the flags. */
  readonly addresses: readonly string[];
  /** What it has printed to standard error. */
  readonly printed: readonly string[];
  /** Sends a signal, and returns the exit code or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals | null>;
}

/** Starts a command that serves, and waits until it listens on `count` addresses. */
export async function startServing(
  varve: Varve,
  args: readonly string[],
  { count = 1, ...options }: RunOptions & { readonly count?: number } = {},
): Promise<ServingVarve> {
  return await whenListening(varve.start(args, options), count);
}

/** Waits until a command that serves listens on `count` addresses. */
export async function whenListening(child: ChildProcess, count: number): Promise<ServingVarve> {
  const exited = once(child, "exit") as Promise<[number | null, NodeJS.Signals | null]>;
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  const printed: string[] = [];
  const addresses: string[] = [];
  const ready = Promise.withResolvers<void>();
  const timer = setTimeout(() => ready.reject(new Error(`not serving:\n${printed.join("\n")}`)), START_MS);
  for (const stream of [child.stdout, child.stderr]) {
    if (stream === null) continue;
    createInterface({ input: stream }).on("line", (line) => {
      if (printed.length < 1000) printed.push(line);
      const address = LISTENS.exec(line)?.[1];
      if (address !== undefined) addresses.push(address);
      if (addresses.length === count) ready.resolve();
    });
  }
  const ended = (): void => ready.reject(new Error(`ended at once:\n${printed.join("\n")}`));
  child.once("exit", ended);
  try {
    await ready.promise;
  } finally {
    clearTimeout(timer);
    child.off("exit", ended);
  }
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<number | NodeJS.Signals | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const [code, by] = await exited;
    process.off("exit", kill);
    return code ?? by;
  };
  return {
    child,
    pid: child.pid ?? 0,
    addresses,
    printed,
    stop,
    [Symbol.asyncDispose]: async () => void (await stop()),
  };
}

/** A server of a root of its own, a registry with a base image, and clients. */
export interface BuildkitServer extends AsyncDisposable {
  readonly varve: Varve;
  readonly server: ServingVarve;
  readonly registry: RegistryServer;
  /** An image with busybox, in the registry only. */
  readonly base: string;
  /** Clients whose current builder is the server, by buildx's remote driver. */
  readonly remote: StockClients;
  /** Clients whose Docker daemon is the server. */
  readonly docker: StockClients;
  /** Makes a directory with a Dockerfile, in which `BASE` stands for the base image. Returns its path. */
  context(name: string, dockerfile: string, files?: Readonly<Record<string, string>>): Promise<string>;
  /** Ends the server, removes its root, and starts it again: it has nothing in its caches. */
  restart(options?: { readonly keepRoot?: boolean }): Promise<void>;
}

/** Starts the server on sockets in a folder of its own. */
export async function startBuildkitServer(): Promise<BuildkitServer> {
  await using stack = new AsyncDisposableStack();
  const varve = stack.use(await Varve.open());
  const registry = stack.use(await startRegistry());
  const base = await pushBase(registry);
  const sockets = {
    buildkit: `unix://${join(varve.folder, "b.sock")}`,
    docker: `unix://${join(varve.folder, "d.sock")}`,
  };
  const serve = async (): Promise<ServingVarve> =>
    await startServing(varve, ["serve", "--buildkit", sockets.buildkit, "--docker", sockets.docker], { count: 2 });
  let server = await serve();
  stack.defer(async () => void (await server.stop()));
  const remote = await remoteClients(join(varve.folder, "remote"), sockets.buildkit);
  const docker = await StockClients.open(join(varve.folder, "docker-home"), { DOCKER_HOST: sockets.docker });
  const owned = stack.move();
  return {
    varve,
    registry,
    base,
    remote,
    docker,
    get server() {
      return server;
    },
    context: async (name, dockerfile, files = {}) =>
      await varve.context(name, dockerfile.replaceAll("BASE", base), { ...files }),
    restart: async ({ keepRoot = false } = {}) => {
      await server.stop();
      if (!keepRoot) await sh("rm", "-rf", varve.root);
      server = await serve();
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Returns clients that have a builder at an address. `options` are the driver's. */
export async function remoteClients(
  folder: string,
  address: string,
  ...options: readonly string[]
): Promise<StockClients> {
  const clients = await StockClients.open(folder, { BUILDX_BUILDER: "varve" });
  const given = options.flatMap((option) => ["--driver-opt", option]);
  await clients.run(["buildx", "create", "--driver", "remote", "--name", "varve", ...given, address]);
  return clients;
}

/** Pushes an image with busybox from another root. */
async function pushBase(registry: RegistryServer): Promise<string> {
  await using other = await Varve.open();
  const base = await busyboxImage(other, `${registry.host}/base:1`);
  const { code, stderr } = await other.run(["push", base]);
  if (code !== 0) throw new Error(stderr);
  return base;
}
