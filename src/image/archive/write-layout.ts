import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ContentStore } from "../../content/index.ts";
import { Annotation, type Descriptor, Limits, errnoOf, throwIfAborted } from "../../core/index.ts";
import { writeFileAtomic } from "../../io/index.ts";
import { readIndex } from "../read-manifest.ts";
import { OCI_LAYOUT, encodeLayoutIndex, layoutContents } from "./contents.ts";
import { readLayoutFile } from "./layout-file.ts";
import type { WriteOptions } from "./types.ts";
import { makeDirectories } from "../../linux/index.ts";

async function hasSize(path: string, size: number): Promise<boolean> {
  try {
    return (await stat(path)).size === size;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return false;
    throw error;
  }
}

function nameOf(descriptor: Descriptor): string | undefined {
  return descriptor.annotations?.[Annotation.containerdImageName] ?? descriptor.annotations?.[Annotation.refName];
}

/** Names move to the new image, as a tag does; an image that lay there without a name is not listed twice. */
async function mergedEntries(directory: string, entries: readonly Descriptor[]): Promise<Descriptor[]> {
  const bytes = await readLayoutFile(directory, "index.json", Limits.manifest);
  if (bytes === undefined) return [...entries];
  const names = new Set(entries.map(nameOf).filter((name) => name !== undefined));
  const digests = new Set(entries.map(({ digest }) => digest));
  const kept = readIndex(bytes, undefined).manifests.filter((entry) => {
    const name = nameOf(entry);
    return name === undefined ? !digests.has(entry.digest) : !names.has(name);
  });
  return [...kept, ...entries];
}

/** `writeLayout` of the door. */
export async function writeLayout(store: ContentStore, directory: string, options: WriteOptions): Promise<void> {
  const { blobs, entries, dockerManifest } = await layoutContents(store, options);
  makeDirectories(directory);
  for (const { path, digest, size } of blobs) {
    throwIfAborted(options.signal, `write OCI layout ${directory}`);
    const target = join(directory, path);
    makeDirectories(dirname(target));
    if (!(await hasSize(target, size))) await writeFileAtomic(target, store.open(digest), { mode: 0o444 });
  }
  await writeFileAtomic(join(directory, "oci-layout"), OCI_LAYOUT);
  if (dockerManifest !== undefined) await writeFileAtomic(join(directory, "manifest.json"), dockerManifest);
  await writeFileAtomic(join(directory, "index.json"), encodeLayoutIndex(await mergedEntries(directory, entries)));
}
