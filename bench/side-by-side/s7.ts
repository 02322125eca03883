import { join } from "node:path";
import { twentySteps } from "../../testing/twenty-steps.ts";
import { type BuildRequest, type CompleteBuilder } from "./builder.ts";
import { type Group, type Row, type Work, bothCommands, roundsOf, timed, withServer } from "./row.ts";

/** A cache goes to a registry, and a builder that knows nothing builds from it. */
export const s7: Group = {
  id: "S7",
  async *measure(bench) {
    const context = await bench.varve.files("twenty", twentySteps(bench.base));
    const builders = await withServer(bench, bench.complete);
    let targets = 0;
    const target = (): string => `${bench.registry.host}/cache/target-${(targets += 1)}:1`;
    const works = (request: () => BuildRequest, prepare: (builder: CompleteBuilder) => Promise<void>): Work[] =>
      builders.map((builder) => ({
        name: builder.name,
        prepare: () => prepare(builder),
        run: () => builder.build(request()),
      }));
    const fill = async (builder: CompleteBuilder): Promise<void> => {
      await builder.empty();
      await builder.build({ context });
    };
    const compare = async (title: string, each: readonly Work[]): Promise<readonly Row[]> =>
      bothCommands(await timed(`S7 20 steps: ${title}`, roundsOf(bench, 5), each));
    yield* await compare(
      "export the cache",
      works(() => ({ context, cacheTo: target() }), fill),
    );
    const last = builders.at(-1);
    if (last === undefined) return;
    const cacheFrom = target();
    await fill(last);
    await last.build({ context, cacheTo: cacheFrom });
    const empty = (builder: CompleteBuilder): Promise<void> => builder.empty();
    yield* await compare(
      "import in an empty root",
      works(() => ({ context, cacheFrom }), empty),
    );
    const dest = join(bench.varve.folder, "s7.tar");
    const archive = (): BuildRequest => ({ context, cacheFrom, output: { kind: "oci", dest } });
    yield* await compare("the same to an OCI archive", works(archive, empty));
  },
};
