import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { findProgram } from "../../scripts/lib/system-packages.ts";
import { remoteClients } from "../../testing/buildkit-server.ts";
import { clientsUnavailable } from "../../testing/stock-clients.ts";
import { type BuildOutput, type BuildRequest, type CompleteBuilder, completeBuilder, succeed } from "./builder.ts";

/** A server of BuildKit's API. */
export interface BuildkitServer extends AsyncDisposable {
  readonly address: string;
  readonly pid: number;
}

/** Paths of BuildKit's programs: `buildkitd` on the path or named by `BUILDKITD`, and `buildctl` beside it or on the path. */
export function buildkitPrograms(): { readonly buildkitd: string; readonly buildctl: string } | undefined {
  const buildkitd = process.env["BUILDKITD"] ?? findProgram("buildkitd");
  if (buildkitd === undefined) return undefined;
  const beside = join(dirname(buildkitd), "buildctl");
  const buildctl = existsSync(beside) ? beside : findProgram("buildctl");
  return buildctl === undefined ? undefined : { buildkitd, buildctl };
}

/** Starts buildkitd with the host's network, as Varve has it. */
export async function startBuildkitd(program: string, folder: string): Promise<BuildkitServer> {
  await mkdir(folder);
  const socket = join(folder, "s.sock");
  const flags = [
    `--root=${folder}/root`,
    `--addr=unix://${socket}`,
    "--oci-worker-net=host",
    "--containerd-worker=false",
  ];
  const child = spawn(program, flags, { stdio: "ignore" });
  const exited = once(child, "exit");
  for (let attempt = 0; attempt < 200 && !existsSync(socket); attempt += 1) await sleep(100);
  return {
    address: `unix://${socket}`,
    pid: child.pid ?? 0,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}

/** A server that `buildctl`, BuildKit's own command, asks. */
export function buildctlBuilder(name: string, buildctl: string, { address, pid }: BuildkitServer): CompleteBuilder {
  const start = (args: readonly string[]): ChildProcess => spawn(buildctl, ["--addr", address, ...args]);
  return completeBuilder({
    name,
    daemon: pid,
    start: (request) => start(["build", "--progress=plain", ...buildctlFlags(request)]),
    empty: () => succeed("buildctl prune", start(["prune", "--all"])),
    small: { version: () => spawn(buildctl, ["--version"]), list: () => start(["du"]) },
  });
}

/** The same server, asked by `docker buildx`. Undefined if there can be no current buildx here. */
export async function buildxBuilder(
  folder: string,
  { address, pid }: BuildkitServer,
): Promise<CompleteBuilder | undefined> {
  if (clientsUnavailable() !== undefined) return undefined;
  const clients = await remoteClients(folder, address);
  return completeBuilder({
    name: "buildkitd (buildx)",
    daemon: pid,
    start: (request) =>
      clients.start(["buildx", "build", "--provenance=false", ...buildxFlags(request), request.context]),
    empty: async () => void (await clients.run(["buildx", "prune", "--all", "--force"])),
    small: { version: () => clients.start(["buildx", "version"]), list: () => clients.start(["buildx", "ls"]) },
  });
}

function buildxFlags({ cache = true, output = { kind: "none" }, cacheFrom, cacheTo }: BuildRequest): string[] {
  return [
    ...(cache ? [] : ["--no-cache"]),
    ...(cacheFrom === undefined ? [] : ["--cache-from", `type=registry,ref=${cacheFrom}`]),
    ...(cacheTo === undefined ? [] : ["--cache-to", `type=registry,ref=${cacheTo},mode=max`]),
    ...outputOf(output),
  ];
}

function buildctlFlags({
  context,
  cache = true,
  output = { kind: "none" },
  cacheFrom,
  cacheTo,
}: BuildRequest): string[] {
  return [
    "--frontend=dockerfile.v0",
    `--local=context=${context}`,
    `--local=dockerfile=${context}`,
    ...(cache ? [] : ["--no-cache"]),
    ...(cacheFrom === undefined ? [] : ["--import-cache", `type=registry,ref=${cacheFrom}`]),
    ...(cacheTo === undefined ? [] : ["--export-cache", `type=registry,ref=${cacheTo},mode=max`]),
    ...outputOf(output),
  ];
}

function outputOf(output: BuildOutput): string[] {
  switch (output.kind) {
    case "none":
      return [];
    case "oci":
      return ["-o", `type=oci,dest=${output.dest},compression=${output.compression ?? "gzip"}`];
    case "store":
      return ["-o", `type=image,name=${output.name},compression=${output.compression}`];
    case "push":
      return ["-o", `type=image,name=${output.name},push=true`];
  }
}
