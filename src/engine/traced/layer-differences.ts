import { type ByteString, byteStringOf } from "../../linux/index.ts";
import {
  type LayerEntry,
  type TreeChange,
  ancestorsOf,
  compareStacks,
  joinVersions,
  stackLayers,
} from "../../traced/index.ts";
import type { ComparedLayer, LayerVersion } from "./layer-files.ts";
import { readPaths } from "./upper-entries.ts";

/** What is known of a layer. */
interface LayerParts {
  /** Directories that a layer of the other side has too. Only what they have at paths that other parts name is read of them. */
  readonly shared: readonly LayerVersion[];
  /** What is on top of them, the first version first. */
  readonly own: readonly (readonly LayerEntry[])[];
}

/**
 * Returns how the trees with two lists of layers differ, if both are on the same tree. However many files the layers have, only those are
 * read of directories that one side has and the other has not. Undefined if a layer is not known.
 */
export async function layerDifferences(
  before: readonly ComparedLayer[],
  after: readonly ComparedLayer[],
  signal: AbortSignal,
): Promise<TreeChange[] | undefined> {
  const old = await partsOf(before, after, signal);
  const now = old && (await partsOf(after, before, signal));
  if (old === undefined || now === undefined) return undefined;
  const paths = withAncestors([...old, ...now].flatMap(({ own }) => own).flat());
  const known = new Map<string, Promise<readonly LayerEntry[]>>();
  const read = ({ directory }: LayerVersion): Promise<readonly LayerEntry[]> =>
    known.getOrInsertComputed(directory, () => readPaths(byteStringOf(directory), paths, signal));
  const stack = async (layers: readonly LayerParts[]): Promise<ReturnType<typeof stackLayers>> => {
    const lists: (readonly LayerEntry[])[] = [];
    for (const { shared, own } of layers) lists.push(joinVersions([...(await Promise.all(shared.map(read))), ...own]));
    return stackLayers(lists);
  };
  return [...compareStacks(await stack(old), await stack(now))];
}

/** Returns whether two layers are the same one. */
export function isSame(a: ComparedLayer | undefined, b: ComparedLayer | undefined): boolean {
  return a?.id === b?.id || (a?.diffId !== undefined && a.diffId === b?.diffId);
}

async function partsOf(
  layers: readonly ComparedLayer[],
  others: readonly ComparedLayer[],
  signal: AbortSignal,
): Promise<LayerParts[] | undefined> {
  const all: LayerParts[] = [];
  for (const layer of layers) {
    const same = others.find((other) => isSame(layer, other));
    const parts = same === undefined ? await versionParts(layer, others, signal) : await sameParts(layer, same, signal);
    if (parts === undefined) return undefined;
    all.push(parts);
  }
  return all;
}

/** Both sides have the layer. What one of them knows holds for both. */
async function sameParts(
  layer: ComparedLayer,
  same: ComparedLayer,
  signal: AbortSignal,
): Promise<LayerParts | undefined> {
  // The same one comes first, whichever side asks.
  const [first, second] = layer.id < same.id ? [layer, same] : [same, layer];
  const shared = first.versions ?? second.versions;
  if (shared !== undefined) return { shared, own: [] };
  const entries = (await first.entries(signal)) ?? (await second.entries(signal));
  return entries && { shared: [], own: [entries] };
}

/** The other side may have another version of the layer. */
async function versionParts(
  layer: ComparedLayer,
  others: readonly ComparedLayer[],
  signal: AbortSignal,
): Promise<LayerParts | undefined> {
  const { versions = [] } = layer;
  const common = Math.max(0, ...others.map((other) => commonVersions(versions, other.versions ?? [])));
  if (common === 0) {
    const entries = await layer.entries(signal);
    return entries && { shared: [], own: [entries] };
  }
  const own: (readonly LayerEntry[])[] = [];
  for (const version of versions.slice(common)) own.push(await version.entries(signal));
  return { shared: versions.slice(0, common), own };
}

function commonVersions(a: readonly LayerVersion[], b: readonly LayerVersion[]): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at]?.directory === b[at]?.directory) at += 1;
  return at;
}

/** Returns the paths of entries and of the directories that they are in, without the root; directories first. */
function withAncestors(entries: readonly LayerEntry[]): ByteString[] {
  const paths = new Set<ByteString>(["/"]);
  for (const { path } of entries)
    for (const each of [path, ...ancestorsOf(path)]) {
      if (paths.has(each)) break;
      paths.add(each);
    }
  paths.delete("/");
  return [...paths].sort();
}
