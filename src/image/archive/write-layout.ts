import { dirname, join } from "node:path";
import type { ContentStore } from "../../content/index.ts";
import { Annotation, type Descriptor, Limits, isVarveError, throwIfAborted } from "../../core/index.ts";
import { type Bytes, verified, writeFileAtomic } from "../../io/index.ts";
import { readIndex } from "../read-manifest.ts";
import { type LayoutContents, OCI_LAYOUT, encodeLayoutIndex, layoutContents } from "./contents.ts";
import { readLayoutFile, useLayoutFile } from "./layout-file.ts";
import type { WriteOptions } from "./types.ts";
import { makeDirectories } from "../../linux/index.ts";

type LayoutBlob = LayoutContents["blobs"][number];

/** True if a blob exists and is not damaged. */
async function hasBlob(directory: string, { path, digest, size }: LayoutBlob): Promise<boolean> {
  const drain = async (bytes: Bytes): Promise<true> => {
    for await (const _chunk of verified(bytes, { digest, size }, { what: path }));
    return true;
  };
  try {
    return (await useLayoutFile(directory, path, drain)) === true;
  } catch (error) {
    if (isVarveError(error, "corrupt")) return false;
    throw error;
  }
}

function annotatedName(descriptor: Descriptor): string | undefined {
  return descriptor.annotations?.[Annotation.containerdImageName] ?? descriptor.annotations?.[Annotation.refName];
}

/** Merges entries into an existing index. Names move to the new image, and an image without a name is not listed twice. */
async function mergedEntries(directory: string, entries: readonly Descriptor[]): Promise<Descriptor[]> {
  const bytes = await readLayoutFile(directory, "index.json", Limits.manifest);
  if (bytes === undefined) return [...entries];
  const names = new Set(entries.map(annotatedName).filter((name) => name !== undefined));
  const digests = new Set(entries.map(({ digest }) => digest));
  const kept = readIndex(bytes, undefined).manifests.filter((entry) => {
    const name = annotatedName(entry);
    return name === undefined ? !digests.has(entry.digest) : !names.has(name);
  });
  return [...kept, ...entries];
}

/** Implements `writeLayout`; see `index.ts`. */
export async function writeLayout(store: ContentStore, directory: string, options: WriteOptions): Promise<void> {
  const { blobs, entries, dockerManifest } = await layoutContents(store, options);
  makeDirectories(directory);
  const { signal } = options;
  for (const blob of blobs) {
    throwIfAborted(signal, `write OCI layout ${directory}`);
    const target = join(directory, blob.path);
    makeDirectories(dirname(target));
    if (!(await hasBlob(directory, blob)))
      await writeFileAtomic(target, store.open(blob.digest, { signal }), { mode: 0o444 });
  }
  await writeFileAtomic(join(directory, "oci-layout"), OCI_LAYOUT);
  if (dockerManifest !== undefined) await writeFileAtomic(join(directory, "manifest.json"), dockerManifest);
  await writeFileAtomic(join(directory, "index.json"), encodeLayoutIndex(await mergedEntries(directory, entries)));
}
