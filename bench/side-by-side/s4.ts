import { type Group, bothCommands, roundsOf, timed, withServer } from "./row.ts";
import { dockerfile } from "./samples.ts";

/** What a step costs that does nothing. */
export const s4: Group = {
  id: "S4",
  async *measure(bench) {
    const context = await dockerfile(bench, "fifty", `FROM ${bench.base}\n${"RUN true\n".repeat(50)}`);
    const builders = await withServer(bench, bench.builders);
    const works = builders.map((builder) => ({
      name: builder.name,
      run: () => builder.build({ context, cache: false }),
    }));
    yield* bothCommands(await timed("S4 50 × RUN true", roundsOf(bench, 5), works));
  },
};
