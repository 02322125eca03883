import { formatWholePlatform, type Platform, NS_PER_SECOND } from "../core/index.ts";
import {
  DirectoryTree,
  type NamedTree,
  type Tree,
  isDirectory,
  mergedTrees,
  treeOfFiles,
  treesInDirectories,
} from "../filesync/index.ts";
import { type AttestationFileOptions, attestationFiles } from "./attestation/files.ts";
import { inParallel } from "../io/index.ts";
import { pathOfByteString, showPath } from "../linux/index.ts";
import { type Attributes, parseEpoch } from "./attributes.ts";
import type { TreeSink } from "./sinks.ts";
import type { ExportDeps, ExportPlatform, ExportSource } from "./types.ts";
import { overwriteError } from "./write-output.ts";

export interface SendLocalOptions {
  readonly attrs: Attributes;
  /** One folder per platform. */
  readonly split: boolean;
  readonly mode: "copy" | "delete";
  readonly sink: TreeSink;
}

/** The tree of a platform, mounted. */
interface PlatformTree {
  readonly id: string;
  readonly folder: string;
  readonly tree: Tree;
}

/**
 * Sends the result's files to a directory of a client: in mode `copy` one tree per platform at the same time, in mode `delete`
 * one tree with everything.
 */
export async function sendLocal(source: ExportSource, options: SendLocalOptions, deps: ExportDeps): Promise<void> {
  const { attrs, split, mode, sink } = options;
  const modTime = modTimeOf(source, attrs);
  await using stack = new AsyncDisposableStack();
  const trees: PlatformTree[] = [];
  const files = { attrs, isShared: source.multi && !split, modTime };
  for (const platform of source.platforms) trees.push(await openTree(platform, files, deps, stack));
  if (!split && trees.length > 1) await checkOverwrites(trees);
  const inFolder = ({ folder, tree }: PlatformTree): NamedTree => ({ name: folder, tree, modTime });
  const send = async (id: string, tree: Tree, signal: AbortSignal | undefined): Promise<void> => {
    const onProgress = (bytes: number): void => deps.onSent?.(id, bytes);
    await deps.part(id, () => sink.send(tree, { deleteOthers: mode === "delete", onProgress, signal }));
  };
  if (mode === "delete") {
    const whole = split ? treesInDirectories(trees.map(inFolder)) : mergedTrees(trees.map(({ tree }) => tree));
    return await send("copying files", whole, deps.hold.signal);
  }
  await inParallel(trees, deps.hold.signal, async (each, signal) => {
    if (split) await send(`copying files ${each.id}`, treesInDirectories([inFolder(each)]), signal);
    else await send("copying files", each.tree, signal);
  });
}

async function openTree(
  exported: ExportPlatform,
  options: AttestationFileOptions,
  deps: ExportDeps,
  stack: AsyncDisposableStack,
): Promise<PlatformTree> {
  const { platform, record } = exported;
  const view = stack.use(await deps.records.mount(record, deps.hold));
  const own = stack.use(new DirectoryTree(view.path, { modTime: options.modTime }));
  const files = await attestationFiles(view.path, exported, options, deps);
  const tree = files.length === 0 ? own : mergedTrees([own, treeOfFiles(files)]);
  return { id: formatWholePlatform(platform), folder: platformFolder(platform), tree };
}

async function checkOverwrites(trees: readonly PlatformTree[]): Promise<void> {
  const platforms = new Map<string, string>();
  for (const { id, tree } of trees) {
    for await (const stat of tree.entries()) {
      const other = isDirectory(stat) ? undefined : platforms.get(stat.path);
      if (other !== undefined) throw overwriteError(showPath(pathOfByteString(stat.path)), other, id);
      if (!isDirectory(stat)) platforms.set(stat.path, id);
    }
  }
}

/** Returns the time of all files, in nanoseconds since 1970. Undefined if they keep their own. */
export function modTimeOf(source: ExportSource, attrs: Attributes): bigint | undefined {
  const given = parseEpoch(attrs["source-date-epoch"]);
  const seconds = given.kind === "seconds" ? given.seconds : given.kind === "unset" ? source.epoch : undefined;
  return seconds === undefined ? undefined : BigInt(seconds) * NS_PER_SECOND;
}

/** Returns for example `linux_amd64`. */
export function platformFolder(platform: Platform): string {
  return formatWholePlatform(platform).replaceAll("/", "_");
}
