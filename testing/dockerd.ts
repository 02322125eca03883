import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readdirSync, rmdirSync } from "node:fs";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { peersMissing } from "./peers.ts";
import { newerPackages } from "./newer-packages.ts";
import { type Outcome, finished } from "./varve.ts";

/** A real Docker daemon of one's own, with no image and no container at first. */
export interface Dockerd extends AsyncDisposable {
  readonly socket: string;
  /** A folder that goes with the daemon; `config` in it is the client's configuration. */
  readonly folder: string;
  /** Runs the `docker` client; throws with all that was printed if it fails. Returns its standard output. */
  docker(args: readonly string[], options?: DockerOptions): Promise<string>;
  /** Like `docker`, but returns failures too. */
  tryDocker(args: readonly string[], options?: DockerOptions): Promise<Outcome>;
}

export interface DockerOptions {
  readonly input?: string | Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
}

export interface DockerdOptions {
  /** A root file system whose programs are used before this machine's, with BuildKit and containerd's image store. */
  readonly newer?: string;
  /** Where a newer one keeps its images: `graphdriver` as all used to, for the classic builder. Default `containerd`. */
  readonly images?: "containerd" | "graphdriver";
  /** Whether it does what daemons do only when they are told to be experimental. Default false. */
  readonly experimental?: boolean;
}

const START_MS = 60_000;
const STOP_MS = 20_000;
const CGROUPS = "/sys/fs/cgroup";

/** Why no Docker daemon can be started here; undefined if one can. */
export function dockerdMissing(): string | undefined {
  return peersMissing("dockerd", "docker", "containerd", "runc", "unshare", "setpriv");
}

/** Where a Docker with a current BuildKit is; undefined if there can be none here. Nothing of the system is changed. */
export function newerDocker(): string | undefined {
  if (dockerdMissing() !== undefined) return undefined;
  return newerPackages("docker.io", "docker-cli", "docker-buildx", "containerd");
}

/**
 * Starts `dockerd`, which starts its own containerd, in mount and process namespaces of its own: whatever way it ends, no
 * process and no mount of it remains. It shares the machine's network and changes nothing of it.
 */
export async function startDockerd({
  newer,
  images = "containerd",
  experimental = false,
}: DockerdOptions = {}): Promise<Dockerd> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), "varve-dockerd-"));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const cgroup = `varve-dockerd-${folder.slice(-6)}`;
  stack.defer(() => removeCgroups(cgroup));
  const path = [...(newer === undefined ? [] : programsOf(newer)), process.env["PATH"]].join(":");
  await mkdir(join(folder, "config", "cli-plugins"), { recursive: true });
  await writeFile(
    join(folder, "daemon.json"),
    JSON.stringify({ experimental, ...(newer !== undefined && featuresOf(images)) }),
  );
  if (newer !== undefined) await symlink(join(newer, BUILDX), join(folder, "config", "cli-plugins", "docker-buildx"));
  const socket = join(folder, "docker.sock");
  const child = spawn("setpriv", [...CONTAINED, "dockerd", ...daemonArguments(folder, socket, cgroup)], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: path, HOME: folder, TMPDIR: folder },
  });
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  stack.defer(async () => {
    process.off("exit", kill);
    await stop(child);
  });
  await untilReady(child, socket);
  const owned = stack.move();
  const tryDocker = async (args: readonly string[], { input, env }: DockerOptions = {}): Promise<Outcome> => {
    const settings = {
      PATH: path,
      DOCKER_HOST: `unix://${socket}`,
      DOCKER_CONFIG: join(folder, "config"),
      DOCKER_BUILDKIT: newer === undefined || images === "graphdriver" ? "0" : "1",
    };
    const command = newer === undefined ? "docker" : join(newer, "usr/bin/docker");
    return await finished(spawn(command, args, { env: { ...process.env, ...settings, ...env } }), input);
  };
  return {
    socket,
    folder,
    tryDocker,
    docker: async (args, options) => {
      const { code, stdout, stderr } = await tryDocker(args, options);
      if (code !== 0) throw new Error(`docker ${args.join(" ")} exited with ${code}:\n${stderr}${stdout}`);
      return stdout;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Ends with whoever started it, even if that is killed, and takes everything below it along. */
const CONTAINED = "--pdeathsig KILL unshare --kill-child --mount --propagation=private --pid --fork --mount-proc".split(
  " ",
);

/** BuildKit's caches want containerd's image store. */
function featuresOf(images: DockerdOptions["images"]): object {
  return { features: { "containerd-snapshotter": images === "containerd" } };
}
const BUILDX = "usr/libexec/docker/cli-plugins/docker-buildx";

function programsOf(root: string): string[] {
  return ["usr/sbin", "usr/bin"].map((folder) => join(root, folder));
}

function daemonArguments(folder: string, socket: string, cgroup: string): string[] {
  return [
    `--host=unix://${socket}`,
    `--config-file=${join(folder, "daemon.json")}`,
    `--data-root=${join(folder, "data")}`,
    `--exec-root=${join(folder, "exec")}`,
    `--pidfile=${join(folder, "pid")}`,
    `--cgroup-parent=/${cgroup}`,
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--userland-proxy=false",
  ];
}

async function untilReady(child: ChildProcess, socket: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const seen: string[] = [];
  const fail = (what: string): void => reject(new Error(`dockerd ${what}:\n${seen.slice(-40).join("\n")}`));
  const timer = setTimeout(() => fail("does not start"), START_MS);
  if (child.stderr === null) throw new Error("dockerd has no standard error");
  createInterface({ input: child.stderr }).on("line", (line) => {
    if (seen.length < 1000) seen.push(line);
    if (line.includes(`API listen on ${socket}`)) resolve();
  });
  const ended = (): void => fail("ended");
  child.once("error", reject);
  child.once("exit", ended);
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    child.off("exit", ended);
  }
}

/** Asks the daemon to end, by its process number; if it does not, its namespace is ended with all that is in it. */
async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, "exit");
  const daemon = Number.parseInt(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8"), 10);
  if (Number.isNaN(daemon)) child.kill("SIGKILL");
  else process.kill(daemon, "SIGTERM");
  const timer = setTimeout(() => process.kill(daemon, "SIGKILL"), STOP_MS);
  await ended;
  clearTimeout(timer);
}

/** The daemon leaves its parent group behind in every hierarchy. */
function removeCgroups(name: string): void {
  for (const hierarchy of ["", ...readdirSync(CGROUPS)]) {
    try {
      rmdirSync(join(CGROUPS, hierarchy, name));
    } catch {
      // Not in this hierarchy, or none at all.
    }
  }
}
