import { setTimeout as sleep } from "node:timers/promises";
import { residentMemory } from "../../testing/process-state.ts";
import { type BuildkitServer, buildctlBuilder } from "./buildkit-builder.ts";
import { type Group, type Row, measured } from "./row.ts";
import { dockerfile, twelveSteps } from "./samples.ts";

/** Milliseconds in which a server comes to rest. */
const SETTLE = 3000;

/** What servers of BuildKit's API hold when nothing happens. */
export const s12: Group = {
  id: "S12",
  async *measure(bench) {
    if (bench.servers === undefined) return;
    const { buildctl, real, own } = bench.servers;
    await using ours = await own();
    const servers = [
      { name: "varve", server: ours },
      { name: "buildkitd", server: real },
    ];
    const memory = async (title: string): Promise<Row> => {
      await sleep(SETTLE);
      return await measured({ title, unit: "MB" }, 1, servers, ({ server }: { readonly server: BuildkitServer }) =>
        Promise.resolve(residentMemory(server.pid)),
      );
    };
    yield await memory("S12 resident memory of an idle server (buildkitd's has built before)");
    const contexts = [
      await twelveSteps(bench, 10_000),
      await dockerfile(bench, "fifty", `FROM ${bench.base}\n${"RUN true\n".repeat(50)}`),
    ];
    for (const { name, server } of servers)
      for (const context of contexts) await buildctlBuilder(name, buildctl, server).build({ context, cache: false });
    yield await memory("S12 resident memory of a server after builds");
  },
};
