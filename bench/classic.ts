import { once } from "node:events";
import { join } from "node:path";
import { type Dockerd, dockerdMissing, startDockerd } from "../testing/dockerd.ts";
import type { Varve } from "../testing/varve.ts";
import type { Contender, Scenario } from "./measure.ts";

/** Docker's classic builder and ours behind `varve serve`, asked by the same `docker` command. */
export interface ClassicBench extends AsyncDisposable {
  readonly scenarios: readonly Scenario[];
}

const TWELVE = [
  "ENV A=1 B=2",
  "LABEL one=1",
  "ARG C=3",
  "WORKDIR /app",
  "COPY package.json .",
  "RUN mkdir deps && echo done > deps/done",
  "COPY src src",
  "RUN cat src/* > all",
  "EXPOSE 80",
  "USER nobody",
  'CMD ["cat", "all"]',
];

/** Undefined where no daemon can be had. `base` is an image of the root. */
export async function openClassic(varve: Varve, base: string): Promise<ClassicBench | undefined> {
  if (dockerdMissing() !== undefined) return undefined;
  await using stack = new AsyncDisposableStack();
  const docker = stack.use(await startDockerd());
  const own = `unix://${stack.use(await serve(varve)).socket}`;
  const archive = join(varve.folder, "classic-base.tar");
  await varve.run(["save", "-o", archive, base]);
  await docker.docker(["load", "-i", archive]);
  const steps = await varve.files("classic-steps", { Dockerfile: `FROM ${base}\n${"RUN true\n".repeat(30)}` });
  const twelve: Record<string, string> = { Dockerfile: `FROM ${base}\n${TWELVE.join("\n")}\n`, "package.json": "{}" };
  for (let i = 0; i < 100; i += 1) twelve[`src/file-${i}.txt`] = `file ${i}\n`.repeat(40);
  const project = await varve.files("classic-project", twelve);
  const contenders = (context: string, ...flags: readonly string[]): Contender[] => [
    { name: "varve serve", run: () => build(docker, { DOCKER_HOST: own }, context, flags) },
    { name: "dockerd", run: () => build(docker, {}, context, flags) },
  ];
  for (const { run } of contenders(project)) await run();
  const scenarios = [
    { name: "classic: 30 × RUN true, cold", rounds: 3, contenders: contenders(steps, "--no-cache") },
    { name: "classic: 12 steps, cached", rounds: 9, contenders: contenders(project) },
  ];
  const owned = stack.move();
  return { scenarios, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function build(
  docker: Dockerd,
  env: NodeJS.ProcessEnv,
  context: string,
  flags: readonly string[],
): Promise<void> {
  await docker.docker(["build", "--network=none", "-q", "-t", "bench/classic", ...flags, context], {
    env: { ...env, DOCKER_BUILDKIT: "0" },
  });
}

async function serve(varve: Varve): Promise<AsyncDisposable & { readonly socket: string }> {
  const socket = join(varve.folder, "classic.sock");
  const child = varve.start(["serve", "--docker", `unix://${socket}`]);
  const ended = once(child, "exit");
  if (child.stdout === null) throw new Error("varve serve has no standard output");
  await once(child.stdout, "data");
  child.stdout.resume();
  child.stderr?.resume();
  return {
    socket,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
