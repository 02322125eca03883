import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { newerDocker } from "./dockerd.ts";
import { newerPackages } from "./newer-packages.ts";
import { type Outcome, buildsUnavailable, finished } from "./varve.ts";

/** Programs that Docker publishes, of a current Debian. */
interface StockPrograms {
  readonly docker: string;
  readonly buildx: string;
  readonly compose: string;
}

const PLUGINS = "usr/libexec/docker/cli-plugins";

function stockPrograms(): StockPrograms | undefined {
  const docker = newerDocker();
  const compose = docker === undefined ? undefined : newerPackages("docker-compose");
  if (docker === undefined || compose === undefined) return undefined;
  return {
    docker: join(docker, "usr/bin/docker"),
    buildx: join(docker, PLUGINS, "docker-buildx"),
    compose: join(compose, PLUGINS, "docker-compose"),
  };
}

/** Why builds of Docker's clients cannot be tried here; undefined if they can. */
export function clientsUnavailable(...programs: readonly string[]): string | undefined {
  const missing = buildsUnavailable("docker-registry", ...programs);
  if (missing !== undefined) return missing;
  return stockPrograms() === undefined ? "no current docker, buildx and compose can be had here" : undefined;
}

export interface ClientOptions {
  readonly env?: NodeJS.ProcessEnv | undefined;
  readonly input?: string | Uint8Array | undefined;
  readonly cwd?: string | undefined;
  /** True: the command leads a process group, by which it can be killed with the plugins that it starts. */
  readonly group?: boolean | undefined;
  /** True: the command runs on a terminal of its own, which passes on what is typed and printed. Needs `script`. */
  readonly terminal?: boolean | undefined;
}

/** `docker` with buildx and compose, with a home and a configuration of its own below a folder. */
export class StockClients {
  readonly #folder: string;
  readonly #programs: StockPrograms;
  readonly #env: NodeJS.ProcessEnv;

  private constructor(folder: string, programs: StockPrograms, env: NodeJS.ProcessEnv) {
    this.#folder = folder;
    this.#programs = programs;
    this.#env = env;
  }

  /** @param env settings of all commands, such as `DOCKER_HOST`. */
  static async open(folder: string, env: NodeJS.ProcessEnv): Promise<StockClients> {
    const programs = stockPrograms();
    if (programs === undefined) throw new Error("no current docker, buildx and compose can be had here");
    const config = join(folder, "config");
    await mkdir(join(config, "cli-plugins"), { recursive: true });
    await symlink(programs.buildx, join(config, "cli-plugins", "docker-buildx"));
    await symlink(programs.compose, join(config, "cli-plugins", "docker-compose"));
    // Without this name, a client that finds no DOCKER_HOST asks the daemon of the machine.
    const none = { DOCKER_HOST: `unix://${join(folder, "no-daemon.sock")}` };
    return new StockClients(folder, programs, { ...none, HOME: folder, DOCKER_CONFIG: config, ...env });
  }

  start(args: readonly string[], { env, cwd, group = false, terminal = false }: ClientOptions = {}): ChildProcess {
    const command = [this.#programs.docker, ...args];
    const typed = command.map((part) => `'${part.replaceAll("'", `'\\''`)}'`).join(" ");
    const [program = "", ...rest] = terminal ? ["script", "-qfec", typed, "/dev/null"] : command;
    return spawn(program, rest, {
      cwd: cwd ?? this.#folder,
      detached: group,
      env: { PATH: process.env["PATH"], NO_COLOR: "1", BUILDKIT_PROGRESS: "plain", ...this.#env, ...env },
    });
  }

  async try(args: readonly string[], options: ClientOptions = {}): Promise<Outcome> {
    return await finished(this.start(args, options), options.input);
  }

  /** Throws with all that was printed if the command fails. */
  async run(args: readonly string[], options: ClientOptions = {}): Promise<Outcome> {
    const outcome = await this.try(args, options);
    if (outcome.code === 0) return outcome;
    throw new Error(`docker ${args.join(" ")} exited with ${outcome.code}:\n${outcome.stderr}${outcome.stdout}`);
  }
}
