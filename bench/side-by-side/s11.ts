import { type Group, roundsOf, timed } from "./row.ts";
import { growing } from "./samples.ts";

/** How a cached build grows with its files and its steps. */
export const s11: Group = {
  id: "S11",
  async *measure(bench) {
    const sizes = [
      { steps: 10, files: 1000 },
      { steps: 100, files: 1000 },
      { steps: 10, files: 10_000 },
      ...(bench.isQuick
        ? []
        : [
            { steps: 10, files: 100_000 },
            { steps: 400, files: 1000 },
          ]),
    ];
    const builders = bench.complete;
    for (const { steps, files } of sizes) {
      const context = await growing(bench, steps, files);
      for (const builder of builders) await builder.build({ context });
      const works = builders.map((builder) => ({ name: builder.name, run: () => builder.build({ context }) }));
      yield await timed(`S11 ${steps} steps and ${files} files, cached`, roundsOf(bench, 5), works, "ms");
    }
  },
};
