/** Transfers of a directory by BuildKit's protocol, without a network, beside programs that do the same work. */
import { mkdirSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { findProgram } from "../scripts/lib/system-packages.ts";
import { DirectoryTree, receiveTree, sendTree } from "../src/filesync/index.ts";
import { streamPair } from "../testing/message-streams.ts";
import { sh } from "../testing/varve.ts";
import { fillWithLarge, fillWithSmall } from "./layer-samples.ts";
import type { Contender, Scenario } from "./measure.ts";

const ROUNDS = 5;

/** Transferring large and small files into an empty directory, and once more. Samples are made in `folder` on first use. */
export function transferScenarios(folder: string): Scenario[] {
  return [
    ...scenariosOf("512 MiB in 8 files", join(folder, "transfer-large"), fillWithLarge),
    ...scenariosOf("10,000 small files", join(folder, "transfer-small"), fillWithSmall),
  ];
}

function scenariosOf(name: string, folder: string, fill: (tree: string) => Promise<void>): Scenario[] {
  const [tree, out] = [join(folder, "tree"), join(folder, "out")];
  let filled: Promise<void> | undefined;
  const prepare = async (isEmpty: boolean): Promise<void> => {
    mkdirSync(tree, { recursive: true });
    await (filled ??= fill(tree));
    if (isEmpty) await rm(out, { recursive: true, force: true });
    await mkdir(out, { recursive: true });
    if (!isEmpty) await transfer(tree, out);
  };
  const contenders = (isEmpty: boolean): Contender[] =>
    [
      { name: "varve", needs: [], run: () => transfer(tree, out) },
      { name: "rsync -a", needs: ["rsync"], run: () => shell(`rsync -a --delete ${tree}/ ${out}/`) },
      ...(isEmpty
        ? [{ name: "tar c | tar x", needs: ["tar"], run: () => shell(`tar cC ${tree} . | tar xC ${out}`) }]
        : []),
    ]
      .filter(({ needs }) => needs.every((program) => findProgram(program) !== undefined))
      .map(({ name: contender, run }) => ({ name: contender, prepare: () => prepare(isEmpty), run }));
  return [
    { name: `transfer of ${name}, cold`, rounds: ROUNDS, contenders: contenders(true) },
    { name: `transfer of ${name}, unchanged`, rounds: ROUNDS, contenders: contenders(false) },
  ];
}

async function transfer(from: string, to: string): Promise<void> {
  const { client, server } = streamPair();
  using tree = new DirectoryTree(from);
  await Promise.all([receiveTree(client, to), sendTree(server, tree)]);
}

async function shell(command: string): Promise<void> {
  await sh("sh", "-c", command);
}
