import { type Group, bothCommands, roundsOf, timed, withServer } from "./row.ts";
import { twelveSteps } from "./samples.ts";

/** Everything comes from the cache. */
export const s1: Group = {
  id: "S1",
  async *measure(bench) {
    const builders = await withServer(bench, bench.builders);
    for (const count of [100, 10_000]) {
      const context = await twelveSteps(bench, count);
      for (const builder of builders) await builder.build({ context });
      const works = builders.map((builder) => ({ name: builder.name, run: () => builder.build({ context }) }));
      yield* bothCommands(await timed(`S1 12 steps and ${count} files, cached`, roundsOf(bench, 7), works, "ms"));
    }
  },
};
