import { type Group, roundsOf, timed } from "./row.ts";
import { dockerfile } from "./samples.ts";

/** An image of 450 MiB comes from a registry to a root file system, for one step. */
export const s5: Group = {
  id: "S5",
  async *measure(bench) {
    const { name } = await bench.image();
    const context = await dockerfile(bench, "pulled", `FROM ${name}\nRUN ["/bin/true"]\n`);
    const works = bench.complete.map((builder) => ({
      name: builder.name,
      prepare: () => builder.empty(),
      run: () => builder.build({ context }),
    }));
    yield await timed("S5 pull and unpack 450 MiB, one RUN", roundsOf(bench, 5), works);
  },
};
