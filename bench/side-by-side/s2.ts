import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildOutput, CompleteBuilder } from "./builder.ts";
import { type Bench, type Group, type Row, bothCommands, roundsOf, timed, withServer } from "./row.ts";
import { smallFiles } from "./samples.ts";

const COPY = "COPY src /src\n";
const FOLLOWED = `${COPY}RUN ls /src > /list
RUN wc -l /list > /count
COPY --from=0 /bin /tools
COPY --from=0 /etc /etc-of-base
`;

/** One of 10,000 files has changed since the build before. */
export const s2: Group = {
  id: "S2",
  async *measure(bench) {
    for (const compression of ["gzip", "uncompressed"] as const) {
      yield* await changed(bench, `S2 one of 10,000 files changed, ${compression}`, COPY, compression);
      yield* await changed(bench, `S2 the same, two RUN and two COPY follow, ${compression}`, FOLLOWED, compression);
    }
  },
};

async function changed(
  bench: Bench,
  title: string,
  steps: string,
  compression: "gzip" | "uncompressed",
): Promise<readonly Row[]> {
  const { base, varve } = bench;
  const builders = await withServer(bench, bench.complete);
  const context = await smallFiles(bench, title.replaceAll(/\W+/g, "-"), `FROM ${base}\nFROM ${base}\n${steps}`);
  const output: BuildOutput = { kind: "oci", dest: join(varve.folder, "s2.tar"), compression };
  let changes = 0;
  // With the title, so that no row finds the layers of another one.
  const change = (): Promise<void> => writeFile(join(context, "src/7/file-700"), `${title}: ${(changes += 1)}\n`);
  const build = (builder: CompleteBuilder): Promise<void> => builder.build({ context, output });
  for (const builder of builders) await build(builder);
  const works = builders.map((builder) => ({ name: builder.name, prepare: change, run: () => build(builder) }));
  return bothCommands(await timed(title, roundsOf(bench, 5), works));
}
