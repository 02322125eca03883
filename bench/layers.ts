/** The layer engine by itself, in this process and in a new one, beside the pipes of programs that do the same work. */
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { findProgram } from "../scripts/lib/system-packages.ts";
import { type CreatedLayer, createLayer, diffTrees } from "../src/layer/index.ts";
import { sh } from "../testing/varve.ts";
import { inProcess } from "./layer-process.ts";
import { fillWithLarge, fillWithSmall } from "./layer-samples.ts";
import { createBlob, unpackBlob } from "./layer-work.ts";
import type { Contender, Scenario } from "./measure.ts";

const ROUNDS = 5;

/** Where a sample is, once it has been made. */
export interface Sample {
  readonly tree: string;
  readonly blob: string;
  readonly layer: CreatedLayer;
}

type Run = (sample: Sample, out: string) => Promise<unknown>;

/** Creating and unpacking a layer of large and of small files; samples are made, in `folder`, when they are first used. */
export function layerScenarios(folder: string): Scenario[] {
  return [
    ...scenariosOf("512 MiB in 8 files", lazySample(join(folder, "layer-large"), fillWithLarge), join(folder, "out")),
    ...scenariosOf("10,000 small files", lazySample(join(folder, "layer-small"), fillWithSmall), join(folder, "out")),
  ];
}

function scenariosOf(name: string, sample: () => Promise<Sample>, out: string): Scenario[] {
  const contenders = (all: readonly (readonly [name: string, needs: readonly string[], run: Run])[]): Contender[] =>
    all
      .filter(([, needs]) => needs.every((program) => findProgram(program) !== undefined))
      .map(([contender, , run]) => contenderOf(contender, sample, out, run));
  return [
    {
      name: `layer created of ${name}`,
      rounds: ROUNDS,
      contenders: contenders([
        ["varve", [], ({ tree }, out) => createBlob(tree, out)],
        ["varve, new process", [], ({ tree }, out) => inProcess("create", tree, out)],
        ["tar | pigz -6", ["tar", "pigz"], tarAndPigz],
        ["umoci insert", ["umoci"], umociInsert],
      ]),
    },
    {
      name: `layer unpacked of ${name}`,
      rounds: ROUNDS,
      contenders: contenders([
        ["varve", [], ({ blob, layer }, out) => unpackBlob(blob, out, layer.diffId)],
        ["varve, new process", [], ({ blob, layer }, out) => inProcess("unpack", blob, out, layer.diffId)],
        ["pigz -dc | tar x", ["tar", "pigz"], pigzAndTar],
      ]),
    },
  ];
}

/** Each round has a directory of its own. */
function contenderOf(name: string, sample: () => Promise<Sample>, out: string, run: Run): Contender {
  return {
    name,
    prepare: async () => {
      await sample();
      await rm(out, { recursive: true, force: true });
      await mkdir(out);
    },
    run: async () => void (await run(await sample(), out)),
  };
}

/** A tree and its layer, made in `folder` when they are first asked for. */
export function lazySample(folder: string, fill: (directory: string) => Promise<void>): () => Promise<Sample> {
  let made: Promise<Sample> | undefined;
  const make = async (): Promise<Sample> => {
    const [tree, blob] = [join(folder, "tree"), join(folder, "layer.tar.gz")];
    await mkdir(tree, { recursive: true });
    await fill(tree);
    const { bytes, result } = createLayer(diffTrees({ upper: tree }), { compression: "gzip" });
    await pipeline(bytes, createWriteStream(blob));
    return { tree, blob, layer: await result };
  };
  return () => (made ??= make());
}

async function tarAndPigz({ tree }: Sample, out: string): Promise<void> {
  await sh("sh", "-c", 'tar -C "$0" -cf - . | pigz -6 > "$1"', tree, join(out, "layer"));
}

async function pigzAndTar({ blob }: Sample, out: string): Promise<void> {
  await sh("sh", "-c", 'pigz -dc "$1" | tar -C "$0" -xf -', out, blob);
}

async function umociInsert({ tree }: Sample, out: string): Promise<void> {
  const layout = join(out, "layout");
  await sh("umoci", "init", "--layout", layout);
  await sh("umoci", "new", "--image", layout);
  await sh("umoci", "insert", "--image", layout, tree, "/");
}
