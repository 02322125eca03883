import { succeed } from "./builder.ts";
import { type Group, type Work, roundsOf, timed } from "./row.ts";

/** What the start of a command costs. */
export const s10: Group = {
  id: "S10",
  async *measure(bench) {
    const small = (what: "version" | "list"): Work[] =>
      [...bench.complete, ...(bench.buildx === undefined ? [] : [bench.buildx])].map(
        ({ name, small: { [what]: start } }) => ({
          name,
          run: () => succeed(name, start()),
        }),
      );
    const rounds = roundsOf(bench, 11);
    yield await timed("S10 the version", rounds, small("version"), "ms");
    yield await timed("S10 a listing", rounds, small("list"), "ms");
    const context = await bench.varve.files("one-copy", { Dockerfile: `FROM ${bench.base}\nCOPY f /\n`, f: "f" });
    for (const builder of bench.builders) await builder.build({ context });
    const works = bench.builders.map((builder) => ({ name: builder.name, run: () => builder.build({ context }) }));
    yield await timed("S10 one COPY, cached", rounds, works, "ms");
  },
};
