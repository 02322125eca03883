/** Exporting a build's cache to S3, beside BuildKit's daemon, in the same run. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { startServing } from "../testing/buildkit-server.ts";
import { OBJECT_BACK_ENDS, cacheText } from "../testing/object-caches.ts";
import { registryMissing, startRegistry } from "../testing/registry-server.ts";
import { twentySteps } from "../testing/twenty-steps.ts";
import { Varve, busyboxImage, finished } from "../testing/varve.ts";
import { type Scenario, median } from "./measure.ts";
import { buildkitPrograms, startBuildkitd } from "./side-by-side/buildkit-builder.ts";
import { startDistance } from "./distance.ts";
import { vertexTime } from "./vertex-time.ts";

const ROUNDS = 7;
/** Milliseconds that bytes take to a distant server, and back: as to a cloud's region from a machine in another one of the same continent. */
const DISTANCE = 10;

/** Builds, and exports the cache to a place. Returns progress in raw JSON. */
interface Builder {
  readonly name: string;
  readonly build: (cacheTo: string | undefined) => Promise<string>;
}

export interface CloudBench extends AsyncDisposable {
  readonly scenarios: readonly Scenario[];
  /** How long the exports took, without the builds around them. */
  readonly report: () => string;
}

/** Undefined if there can be no BuildKit, no registry or no S3 here. */
export async function openCloudBench(): Promise<CloudBench | undefined> {
  const programs = buildkitPrograms();
  const s3 = OBJECT_BACK_ENDS.find(({ type }) => type === "s3");
  if (programs === undefined || registryMissing() !== undefined || s3 === undefined || s3.missing() !== undefined)
    return undefined;
  await using stack = new AsyncDisposableStack();
  const varve = stack.use(await Varve.open());
  const registry = stack.use(await startRegistry());
  const store = stack.use(await s3.start());
  const base = await busyboxImage(varve, `${registry.host}/base:1`);
  await varve.run(["push", base]);
  const context = await varve.files("steps", twentySteps(base));
  const daemon = stack.use(await startBuildkitd(programs.buildkitd, join(varve.folder, "buildkitd")));
  const served = stack.use(await Varve.open());
  const address = `unix://${served.folder}/b.sock`;
  stack.use(await startServing(served, ["serve", "--buildkit", address]));
  const builders = [
    commandBuilder(varve, context),
    clientBuilder("varve, as a server", { program: programs.buildctl, address, context }),
    clientBuilder("BuildKit", { program: programs.buildctl, address: daemon.address, context }),
  ];
  for (const { build } of builders) await build(undefined);
  let targets = 0;
  const freshAt = (host: string) => (): string =>
    cacheText({ type: "s3", attrs: { ...s3.attributes(host, `t${(targets += 1)}`), mode: "max" } });
  for (const { build } of builders) await build(freshAt(store.host)());
  const distant = stack.use(await startDistance(store.host, DISTANCE));
  const exports = [
    timedExports("on this machine", builders, freshAt(store.host)),
    timedExports(`${2 * DISTANCE} ms away`, builders, freshAt(distant.host)),
  ];
  const owned = stack.move();
  return {
    scenarios: exports.map(({ scenario }) => scenario),
    report: () => exports.map(({ report }) => report()).join("\n"),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface TimedExports {
  readonly scenario: Scenario;
  readonly report: () => string;
}

/** Builds that export to a new place each time. */
function timedExports(where: string, builders: readonly Builder[], fresh: () => string): TimedExports {
  const times = new Map<string, number[]>(builders.map(({ name }) => [name, []]));
  const contenders = builders.map(({ name, build }) => ({
    name,
    run: async () => void times.get(name)?.push(vertexTime(await build(fresh()), /^exporting cache/)),
  }));
  const name = `cloud export of 20 steps to S3 ${where}, layers compressed before`;
  return {
    scenario: { name, rounds: ROUNDS, contenders },
    report: () => {
      const middles = builders.map(
        (each) => `${each.name} ${(median(times.get(each.name) ?? []) / 1000).toFixed(2)} s`,
      );
      return `  the export alone, ${where}: ${middles.join(", ")}`;
    },
  };
}

function commandBuilder(varve: Varve, context: string): Builder {
  const always = ["build", "--progress=rawjson", "--network=none", "-o", "type=cacheonly"];
  return {
    name: "varve",
    build: async (cacheTo) => {
      const to = cacheTo === undefined ? [] : ["--cache-to", `${cacheTo},ignore-error=false`];
      return await printed(varve.start([...always, ...to, context]));
    },
  };
}

function clientBuilder(
  name: string,
  { program, address, context }: { readonly program: string; readonly address: string; readonly context: string },
): Builder {
  const local = ["context", "dockerfile"].flatMap((each) => ["--local", `${each}=${context}`]);
  const always = ["--addr", address, "build", "--progress=rawjson", "--frontend=dockerfile.v0", ...local];
  return {
    name,
    build: async (cacheTo) => {
      const to = cacheTo === undefined ? [] : ["--export-cache", `${cacheTo},ignore-error=false`];
      return await printed(spawn(program, [...always, "--opt", "force-network-mode=none", ...to]));
    },
  };
}

async function printed(child: ChildProcess): Promise<string> {
  const { code, stdout, stderr } = await finished(child);
  if (code !== 0) throw new Error(`it exited with ${code}:\n${stderr}`);
  return `${stdout}\n${stderr}`;
}
