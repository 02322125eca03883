import { join } from "node:path";
import { type BuildRequest, type CompleteBuilder, peakMemory } from "./builder.ts";
import { type Bench, type Group, type Row, measured, roundsOf } from "./row.ts";
import { dockerfile, largeContext } from "./samples.ts";

/** The most memory of the command, and of the daemon behind it. */
export const s9: Group = {
  id: "S9",
  async *measure(bench) {
    const output = { kind: "oci", dest: join(bench.varve.folder, "s9.tar") } as const;
    const large: BuildRequest = { context: await largeContext(bench), cache: false, output };
    yield await peaks(bench, "S9 peak memory: COPY of 600 MB to a gzip archive", large, () => Promise.resolve());
    const { name } = await bench.image();
    const context = await dockerfile(bench, "pulled", `FROM ${name}\nRUN ["/bin/true"]\n`);
    yield await peaks(bench, "S9 peak memory: pull and unpack 450 MiB", { context }, (builder) => builder.empty());
  },
};

async function peaks(
  bench: Bench,
  title: string,
  request: BuildRequest,
  prepare: (builder: CompleteBuilder) => Promise<void>,
): Promise<Row> {
  const works = bench.complete.map((builder) => ({ name: builder.name, builder, prepare: () => prepare(builder) }));
  return await measured({ title, unit: "MB" }, roundsOf(bench, 3), works, ({ builder }) =>
    peakMemory(builder, request),
  );
}
