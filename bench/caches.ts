/** Exporting a build's cache, and building from it, beside BuildKit: both against the same registry, in the same run. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { newerDocker, startDockerd } from "../testing/dockerd.ts";
import { type FaultProxy, startFaultProxy } from "../testing/fault-proxy.ts";
import { type RegistryServer, registryMissing, startRegistry } from "../testing/registry-server.ts";
import { twentySteps } from "../testing/twenty-steps.ts";
import { Varve, busyboxImage } from "../testing/varve.ts";
import { median, type Scenario } from "./measure.ts";
import { vertexTime } from "./vertex-time.ts";

const ROUNDS = 5;
const FIRST_ROUNDS = 3;

/** A builder with a cache of its own. */
interface Builder {
  readonly name: string;
  /** Forgets everything. */
  empty(): Promise<void>;
  /** Builds; returns what was printed to standard error, in raw JSON. */
  build(args: readonly string[]): Promise<string>;
}

export interface CacheBench extends AsyncDisposable {
  readonly scenarios: readonly Scenario[];
  /** Milliseconds from the first vertex to the last, by scenario and builder: what is left without starting a process. */
  readonly report: (scenario: string) => string;
  /** Requests and bytes of one export and one import each. */
  readonly traffic: () => Promise<string>;
}

/** Undefined if there can be no current BuildKit or no registry here. */
export async function openCacheBench(): Promise<CacheBench | undefined> {
  const newer = newerDocker();
  if (newer === undefined || registryMissing() !== undefined) return undefined;
  await using stack = new AsyncDisposableStack();
  const varve = stack.use(await Varve.open());
  const docker = stack.use(await startDockerd({ newer }));
  const registry = stack.use(await startRegistry());
  const proxy = stack.use(await startFaultProxy({ upstream: registry.host }));
  const base = await busyboxImage(varve, `${registry.host}/base:1`);
  await varve.run(["push", base]);
  const context = await varve.files("steps", twentySteps(base));
  const builders: Builder[] = [
    {
      name: "varve",
      empty: () => rm(varve.root, { recursive: true, force: true }),
      build: async (args) => {
        const all = ["build", "--progress=rawjson", "--network=none", ...args, context];
        const { code, stderr } = await varve.run(all);
        if (code !== 0) throw new Error(`varve ${all.join(" ")} exited with ${code}:\n${stderr}`);
        return stderr;
      },
    },
    {
      name: "BuildKit",
      empty: async () => void (await docker.docker(["system", "prune", "--all", "--force"])),
      build: async (args) => {
        const all = ["buildx", "build", "--progress=rawjson", "--provenance=false", "--network=none", ...args, context];
        const { code, stderr } = await docker.tryDocker(all);
        if (code !== 0) throw new Error(`docker ${all.join(" ")} exited with ${code}:\n${stderr}`);
        return stderr;
      },
    },
  ];
  const imported = `${registry.host}/imported:1`;
  await builders[1]?.build([...EXPORT(imported), ...NOTHING]);
  const bench = new Scenarios({ builders, registry, imported, folder: varve.folder });
  const owned = stack.move();
  return {
    scenarios: bench.all(),
    report: (scenario) => bench.report(scenario),
    traffic: () => traffic(builders, proxy, varve.folder),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const NOTHING = ["-o", "type=cacheonly"];
const EXPORT = (ref: string): string[] => ["--cache-to", `type=registry,ref=${ref},mode=max`];
const IMPORT = (ref: string): string[] => ["--cache-from", `type=registry,ref=${ref}`];
const archive = (folder: string): string[] => ["-o", `type=oci,dest=${join(folder, "result.tar")}`];

interface Place {
  readonly builders: readonly Builder[];
  readonly registry: RegistryServer;
  /** A cache that BuildKit exported. */
  readonly imported: string;
  readonly folder: string;
}

class Scenarios {
  readonly #place: Place;
  readonly #times = new Map<string, number[]>();
  #targets = 0;

  constructor(place: Place) {
    this.#place = place;
  }

  all(): Scenario[] {
    const { imported, folder } = this.#place;
    const fresh = (): string[] => [
      ...EXPORT(`${this.#place.registry.host}/target-${(this.#targets += 1)}:1`),
      ...NOTHING,
    ];
    return [
      this.#scenario(
        "cache export of 20 steps, layers still to be compressed",
        FIRST_ROUNDS,
        fresh,
        async (builder) => {
          await builder.empty();
          await builder.build(NOTHING);
        },
      ),
      this.#scenario("cache export of 20 steps, layers compressed before", ROUNDS, fresh, () => Promise.resolve()),
      this.#scenario(
        "cache import of 20 steps, nothing exported",
        ROUNDS,
        () => [...IMPORT(imported), ...NOTHING],
        (builder) => builder.empty(),
      ),
      this.#scenario(
        "cache import of 20 steps, to an OCI archive",
        ROUNDS,
        () => [...IMPORT(imported), ...archive(folder)],
        (builder) => builder.empty(),
      ),
    ];
  }

  report(scenario: string): string {
    const [own = 0, ...others] = this.#place.builders.map(({ name }) =>
      median(this.#times.get(`${scenario} ${name}`) ?? []),
    );
    const ratios = others.map((other) => `${(other / own).toFixed(2)} ×`).join(", ");
    return `  without the start of processes: varve ${(own / 1000).toFixed(2)} s, BuildKit ${ratios}`;
  }

  #scenario(
    name: string,
    rounds: number,
    args: () => string[],
    prepare: (builder: Builder) => Promise<void>,
  ): Scenario {
    const contenders = this.#place.builders.map((builder) => ({
      name: builder.name,
      prepare: () => prepare(builder),
      run: async (): Promise<void> => {
        const time = vertexTime(await builder.build(args()));
        const key = `${name} ${builder.name}`;
        this.#times.set(key, [...(this.#times.get(key) ?? []), time]);
      },
    }));
    return { name, rounds, contenders };
  }
}

async function traffic(builders: readonly Builder[], proxy: FaultProxy, folder: string): Promise<string> {
  const imported = `${proxy.host}/imported:1`;
  const lines = ["cache traffic: requests, bytes sent, bytes received"];
  const measured = async (what: string, builder: Builder, args: readonly string[]): Promise<void> => {
    const [requests, { up, down }] = [proxy.requests.length, proxy.bytes];
    await builder.build(args);
    const now = proxy.bytes;
    const numbers = [proxy.requests.length - requests, now.up - up, now.down - down];
    lines.push(
      `  ${`${builder.name}, ${what}`.padEnd(38)}${numbers.map((number) => String(number).padStart(10)).join("")}`,
    );
  };
  for (const builder of builders) {
    const ref = `${proxy.host}/traffic-${builder.name.toLowerCase()}:1`;
    await builder.empty();
    await builder.build(NOTHING);
    await measured("export", builder, [...EXPORT(ref), ...NOTHING]);
    await measured("export of the same again", builder, [...EXPORT(ref), ...NOTHING]);
    await builder.empty();
    await measured("import, nothing exported", builder, [...IMPORT(imported), ...NOTHING]);
    await builder.empty();
    await measured("import, to an OCI archive", builder, [...IMPORT(imported), ...archive(folder)]);
  }
  return lines.join("\n");
}
