import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { CompleteBuilder } from "./builder.ts";
import { type Group, roundsOf, timed } from "./row.ts";
import { randomLayers } from "./samples.ts";

/** Layers go to an empty registry that were compressed before. */
export const s6: Group = {
  id: "S6",
  async *measure(bench) {
    const context = await randomLayers(bench);
    const { host, directory } = bench.registry;
    const forget = (): Promise<void> =>
      rm(join(directory, "data/docker/registry/v2/repositories/pushed"), { recursive: true, force: true });
    // Builders remember what they pushed to a name, and which name they can mount it from.
    let pushes = 0;
    const push = async (builder: CompleteBuilder): Promise<void> =>
      await builder.build({ context, output: { kind: "push", name: `${host}/pushed/p${(pushes += 1)}:1` } });
    for (const builder of bench.complete) await push(builder);
    const works = bench.complete.map((builder) => ({
      name: builder.name,
      prepare: forget,
      run: () => push(builder),
    }));
    yield await timed("S6 push of 6 × 50 MiB, compressed before", roundsOf(bench, 7), works);
  },
};
