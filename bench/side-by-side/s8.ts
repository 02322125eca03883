import { type Group, bothCommands, roundsOf, timed, withServer } from "./row.ts";
import { dockerfile } from "./samples.ts";

const STAGES = 16;

/** Steps that wait, and do not depend on each other. */
export const s8: Group = {
  id: "S8",
  async *measure(bench) {
    const names = Array.from({ length: STAGES }, (_, at) => `s${at}`);
    const stages = names.map((name) => `FROM ${bench.base} AS ${name}\nRUN sleep 0.5 && echo ${name} > /${name}\n`);
    const copies = names.map((name) => `COPY --from=${name} /${name} /\n`);
    const context = await dockerfile(bench, "sixteen", `${stages.join("")}FROM ${bench.base}\n${copies.join("")}`);
    const builders = await withServer(bench, bench.builders);
    const works = builders.map((builder) => ({
      name: builder.name,
      run: () => builder.build({ context, cache: false }),
    }));
    yield* bothCommands(await timed(`S8 ${STAGES} stages of sleep 0.5`, roundsOf(bench, 5), works));
  },
};
