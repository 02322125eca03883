import { type Group, bothCommands, roundsOf, timed, withServer } from "./row.ts";
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
    const builders = await withServer(bench, bench.complete);
    for (const { steps, files } of sizes) {
      const context = await growing(bench, steps, files);
      for (const builder of builders) await builder.build({ context });
      const works = builders.map((builder) => ({ name: builder.name, run: () => builder.build({ context }) }));
      const title = `S11 ${steps} steps and ${files} files, cached`;
      yield* bothCommands(await timed(title, roundsOf(bench, 5), works, "ms"));
    }
  },
};
