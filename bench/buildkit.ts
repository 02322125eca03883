/** Builds by one `docker buildx` with `varve serve --buildkit`, and with a real `buildkitd`. */
import { TWELVE } from "./side-by-side/samples.ts";
import { packedVarve } from "./side-by-side/varve-builder.ts";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../scripts/lib/system-packages.ts";
import { remoteClients, whenListening } from "../testing/buildkit-server.ts";
import { type ProcessMemory, memoryOf, peakMemoryOf } from "../testing/process-state.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../testing/registry-server.ts";
import { type StockClients, clientsUnavailable } from "../testing/stock-clients.ts";
import { Varve, busyboxImage } from "../testing/varve.ts";
import type { Contender, Scenario } from "./measure.ts";

export interface BuildkitBench extends AsyncDisposable {
  readonly scenarios: readonly Scenario[];
  /** The memory of both servers, when they have come to rest. */
  memory(): Promise<string>;
}

/** A server that both builds and is measured. */
interface Server extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly clients: StockClients;
}

const FEW = 100;
const MANY = 10_000;
/** Milliseconds in which a server comes to rest: its idle threads end, and it releases memory. */
const SETTLE = 20_000;

/** Returns undefined, and says why, if there is no buildkitd or no current buildx here. `BUILDKITD` names another buildkitd. */
export async function openBuildkitBench(): Promise<BuildkitBench | undefined> {
  const daemon = process.env["BUILDKITD"] ?? findProgram("buildkitd");
  const missing =
    clientsUnavailable() ?? registryMissing() ?? (daemon === undefined ? "no buildkitd is installed" : undefined);
  if (daemon === undefined || missing !== undefined) {
    console.log(`buildkit: skipped, ${missing}\n`);
    return undefined;
  }
  await using stack = new AsyncDisposableStack();
  const varve = stack.use(await Varve.open());
  const registry = stack.use(await startRegistry());
  const base = await busyboxImage(varve, `${registry.host}/base:1`);
  await varve.run(["push", base]);
  const servers = [stack.use(await ownServer(varve)), stack.use(await realServer(varve, daemon, registry))];
  await sleep(SETTLE);
  const idle = servers.map(({ pid }) => memoryOf(pid));
  const scenarios = await scenariosOf(varve, base, servers);
  const owned = stack.move();
  return {
    scenarios,
    memory: async () => {
      const busy = servers.map(({ pid }) => memoryOf(pid));
      await sleep(SETTLE);
      return servers
        .map(({ name, pid }, index) => {
          const states = { idle: idle[index], "right after builds": busy[index], "at rest": memoryOf(pid) };
          const texts = Object.entries(states).map(([state, memory]) => `${shown(memory)} ${state}`);
          return `  ${name.padEnd(22)} ${texts.join(", ")}, ${megabytes(peakMemoryOf(pid))} at most`;
        })
        .join("\n");
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function scenariosOf(varve: Varve, base: string, servers: readonly Server[]): Promise<Scenario[]> {
  const project = async (count: number): Promise<string> => {
    const files: Record<string, string> = { Dockerfile: `FROM ${base}\n${TWELVE}`, "package.json": "{}" };
    for (let i = 0; i < count; i += 1) files[`src/${i % 100}/file-${i}.txt`] = `file ${i}\n`.repeat(40);
    return await varve.files(`project-${count}`, files);
  };
  const [few, many] = [await project(FEW), await project(MANY)];
  const steps = await varve.files("fifty", { Dockerfile: `FROM ${base}\n${"RUN true\n".repeat(50)}` });
  let changes = 0;
  const change = async (): Promise<void> => {
    await writeFile(join(many, "src/0/file-0.txt"), `changed ${(changes += 1)}\n`);
  };
  for (const { clients } of servers) for (const folder of [few, many]) await clients.run(["buildx", "build", folder]);
  const contenders = (folder: string, flags: readonly string[], prepare?: () => Promise<void>): Contender[] =>
    servers.map(({ name, clients }) => ({
      name,
      ...(prepare && { prepare }),
      run: async () => void (await clients.run(["buildx", "build", ...flags, folder])),
    }));
  return [
    { name: `buildkit: 12 steps, ${FEW} files, cached`, rounds: 9, contenders: contenders(few, []) },
    { name: `buildkit: 12 steps, ${MANY} files, cached`, rounds: 7, contenders: contenders(many, []) },
    { name: `buildkit: 12 steps, ${MANY} files, one changed`, rounds: 5, contenders: contenders(many, [], change) },
    { name: "buildkit: 50 × RUN true, cold", rounds: 3, contenders: contenders(steps, ["--no-cache"]) },
  ];
}

async function ownServer(varve: Varve): Promise<Server> {
  const address = `unix://${join(varve.folder, "own.sock")}`;
  const [program, ...first] = await packedVarve(varve.folder);
  const env = { ...process.env, VARVE_ROOT: varve.root, NO_COLOR: "1" };
  const server = await whenListening(spawn(program, [...first, "serve", "--buildkit", address], { env }), 1);
  return {
    name: "varve serve",
    pid: server.pid,
    clients: await remoteClients(join(varve.folder, "own"), address),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** Starts buildkitd with the host's network, as ours has, and the registry as one without TLS. */
async function realServer(varve: Varve, program: string, registry: RegistryServer): Promise<Server> {
  const folder = join(varve.folder, "buildkitd");
  const socket = join(folder, "s.sock");
  await mkdir(folder);
  const config = `[registry."${registry.host}"]\n  http = true\n`;
  await writeFile(join(folder, "config.toml"), config);
  const flags = [`--root=${folder}/root`, `--addr=unix://${socket}`, `--config=${folder}/config.toml`];
  const worker = ["--oci-worker-net=host", "--containerd-worker=false"];
  const child = spawn(program, [...flags, ...worker], { stdio: "ignore" });
  const exited = once(child, "exit");
  for (let attempt = 0; attempt < 200 && !existsSync(socket); attempt += 1) await sleep(100);
  return {
    name: "buildkitd",
    pid: child.pid ?? 0,
    clients: await remoteClients(join(varve.folder, "real"), `unix://${socket}`),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** Resident memory, and what of it is the process's own: the rest is pages of programs, which the kernel can drop. */
function shown(memory: ProcessMemory | undefined): string {
  return `${megabytes(memory?.resident)} (${megabytes(memory?.own)} own)`;
}

function megabytes(bytes = 0): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
