import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildOutput } from "./builder.ts";
import { type Bench, type Group, type Row, roundsOf, timed } from "./row.ts";
import { largeContext } from "./samples.ts";

/** A COPY of 600 MB that nobody has built before. */
export const s3: Group = {
  id: "S3",
  async *measure(bench) {
    const context = await largeContext(bench);
    const archive: BuildOutput = { kind: "oci", dest: join(bench.varve.folder, "s3.tar"), compression: "gzip" };
    yield await cold(bench, "S3 cold COPY of 600 MB to a gzip archive", context, archive);
    const store: BuildOutput = { kind: "store", name: "localhost/s3:1", compression: "uncompressed" };
    yield await cold(bench, "S3 the same, uncompressed in the store", context, store);
  },
};

async function cold(bench: Bench, title: string, context: string, output: BuildOutput): Promise<Row> {
  let changes = 0;
  const works = bench.complete.map((builder) => ({
    name: builder.name,
    // Otherwise a layer of an earlier round would be the same, and its blob known.
    prepare: () => writeFile(join(context, "data/round"), `${title} ${(changes += 1)}\n`),
    run: () => builder.build({ context, cache: false, output }),
  }));
  return await timed(title, roundsOf(bench, 3), works);
}
