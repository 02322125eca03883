import { startRegistry } from "../../testing/registry-server.ts";
import { type Group, roundsOf, timed, withServer, bothCommands } from "./row.ts";
import { randomLayers } from "./samples.ts";

/** Layers that were compressed before go to a registry that has never seen them, so that none of them can be mounted. */
export const s6: Group = {
  id: "S6",
  async *measure(bench) {
    const context = await randomLayers(bench);
    const builders = await withServer(bench, bench.complete);
    for (const builder of builders)
      await builder.build({ context, output: { kind: "push", name: `${bench.registry.host}/pushed:1` } });
    await using stack = new AsyncDisposableStack();
    let host = "";
    const works = builders.map((builder) => ({
      name: builder.name,
      prepare: async () => void ({ host } = stack.use(await startRegistry())),
      run: () => builder.build({ context, output: { kind: "push", name: `${host}/pushed:1` } }),
    }));
    yield* bothCommands(await timed("S6 push of 6 × 50 MiB, compressed before", roundsOf(bench, 7), works));
  },
};
