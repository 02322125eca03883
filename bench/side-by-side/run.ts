/** Runs the scenarios side by side: Varve as users install it, and whichever other builders are here. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { whenListening } from "../../testing/buildkit-server.ts";
import { registryMissing, startRegistry } from "../../testing/registry-server.ts";
import { type Varve, busyboxImage } from "../../testing/varve.ts";
import { type BenchImage, openImage } from "../images.ts";
import type { Peer } from "../peers.ts";
import type { Builder, CompleteBuilder } from "./builder.ts";
import {
  type BuildkitServer,
  buildctlBuilder,
  buildkitPrograms,
  buildxBuilder,
  startBuildkitd,
} from "./buildkit-builder.ts";
import { GROUPS } from "./groups.ts";
import { machineLimits } from "./machine.ts";
import { peerBuilder } from "./peer-builder.ts";
import { runProfiles } from "./profile.ts";
import { type Bench, type Row, describeRow, markdownTable } from "./row.ts";
import { type VarveCommand, packedVarve, varveBuilder } from "./varve-builder.ts";

export interface SideBySideOptions {
  readonly varve: Varve;
  readonly peers: readonly Peer[];
  readonly isQuick: boolean;
  /** Say where Varve's processor time goes, instead of measuring side by side. */
  readonly isProfile: boolean;
  /** Whether a scenario, such as "S4", is to run. */
  readonly isWanted: (id: string) => boolean;
}

export async function runSideBySide(options: SideBySideOptions): Promise<void> {
  const { varve, peers, isQuick, isProfile, isWanted } = options;
  const groups = GROUPS.filter(({ id }) => isWanted(id));
  if (groups.length === 0) return;
  const missing = registryMissing();
  if (missing !== undefined) return console.log(`side by side: skipped, ${missing}\n`);
  await using stack = new AsyncDisposableStack();
  const bench = await openBench({ varve, peers, isQuick }, stack);
  if (isProfile) return await runProfiles(bench, isWanted);
  console.log(`${await machineLimits(bench)}\n`);
  const rows: Row[] = [];
  for (const group of groups)
    for await (const row of group.measure(bench)) {
      rows.push(row);
      console.log(`${describeRow(row)}\n`);
    }
  console.log(`${markdownTable(rows)}\n`);
}

async function openBench(
  { varve, peers, isQuick }: Omit<SideBySideOptions, "isWanted" | "isProfile">,
  stack: AsyncDisposableStack,
): Promise<Bench> {
  const registry = stack.use(await startRegistry());
  const base = await busyboxImage(varve, `${registry.host}/base:1`);
  await varve.run(["push", base]);
  const command = await packedVarve(varve.folder);
  const programs = buildkitPrograms();
  const real = programs && stack.use(await startBuildkitd(programs.buildkitd, join(varve.folder, "bk")));
  const servers = programs &&
    real && { buildctl: programs.buildctl, real, own: () => ownServer(varve, command, "own") };
  const complete = [varveBuilder(command, join(varve.folder, "packed-root"))];
  if (servers !== undefined) complete.push(buildctlBuilder("buildkitd", servers.buildctl, servers.real));
  const buildx = servers && (await buildxBuilder(join(varve.folder, "buildx"), servers.real));
  const builders: Builder[] = [...complete, ...(buildx === undefined ? [] : [buildx])];
  for (const peer of peers) builders.push(await peerBuilder(peer, base, varve));
  let served: Promise<CompleteBuilder> | undefined;
  let image: Promise<BenchImage> | undefined;
  stack.defer(async () => await (await image)?.[Symbol.asyncDispose]());
  const first = await varve.files("first", { Dockerfile: `FROM ${base}\nRUN true\n` });
  for (const builder of builders) await builder.build({ context: first });
  const serve = async (): Promise<CompleteBuilder> => {
    const { pid, root } = stack.use(await ownServer(varve, command, "served"));
    return varveBuilder(command, root, { server: pid });
  };
  return {
    builders,
    complete,
    buildx,
    varve,
    registry,
    base,
    servers,
    isQuick,
    served: () => (served ??= serve()),
    image: () => (image ??= openImage(varve, base)),
  };
}

async function ownServer(
  varve: Varve,
  [program, ...first]: VarveCommand,
  name: string,
): Promise<BuildkitServer & { readonly root: string }> {
  const address = `unix://${join(varve.folder, `${name}.sock`)}`;
  const root = join(varve.folder, `${name}-root`);
  const child = spawn(program, [...first, "serve", "--buildkit", address], {
    env: { ...process.env, VARVE_ROOT: root },
  });
  const server = await whenListening(child, 1);
  return { address, root, pid: server.pid, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
