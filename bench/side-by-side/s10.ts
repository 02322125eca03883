import { succeed } from "./builder.ts";
import { type Group, type Work, bothCommands, roundsOf, timed, withServer } from "./row.ts";

/** What the start of a command costs. */
export const s10: Group = {
  id: "S10",
  async *measure(bench) {
    const { complete, buildx, base, varve } = bench;
    const commands = await withServer(bench, [...complete, ...(buildx === undefined ? [] : [buildx])]);
    const small = (what: "version" | "list"): Work[] =>
      commands.map(({ name, small: { [what]: start } }) => ({ name, run: () => succeed(name, start()) }));
    const rounds = roundsOf(bench, 11);
    yield* bothCommands(await timed("S10 the version", rounds, small("version"), "ms"));
    yield* bothCommands(await timed("S10 a listing", rounds, small("list"), "ms"));
    const context = await varve.files("one-copy", { Dockerfile: `FROM ${base}\nCOPY f /\n`, f: "f" });
    const builders = await withServer(bench, bench.builders);
    for (const builder of builders) await builder.build({ context });
    const works = builders.map((builder) => ({ name: builder.name, run: () => builder.build({ context }) }));
    yield* bothCommands(await timed("S10 one COPY, cached", rounds, works, "ms"));
  },
};
