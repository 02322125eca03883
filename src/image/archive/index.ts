// What few processes need is loaded by those that do.
import type { ContentStore } from "../../content/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { LoadOptions, LoadedImage, WriteOptions } from "./types.ts";

/**
 * Reads the images of an archive into the store: an OCI layout, or what `docker save` of any age writes, compressed or
 * not. Every blob is checked against its digest and every Docker layer against its diffID. Throws `corrupt` for an archive
 * that lacks something or is none, `limit-exceeded` past the limits. What was read of an archive that is refused stays
 * only as long as the lease.
 */
export async function loadArchive(
  store: ContentStore,
  bytes: Bytes,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const archive = await import("./load.ts");
  return await archive.loadArchive(store, bytes, options);
}

/**
 * Copies the images of an OCI layout directory into the store. Throws `not-found` if it is no layout, `corrupt` if a blob
 * is not what its digest says or an image lacks one.
 */
export async function loadLayout(
  store: ContentStore,
  directory: string,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const layout = await import("./load-layout.ts");
  return await layout.loadLayout(store, directory, options);
}

/**
 * Images of the store as one OCI layout in a tar archive, for `docker load` and whatever else reads one. The same images,
 * names and time give the same bytes: entries in order of name, owner 0:0, time 0. Throws `not-found` before the first
 * byte if a blob is missing, unless it is a layer with URLs or belongs to a platform of an index that is not there at all.
 */
export async function* writeArchive(store: ContentStore, options: WriteOptions): Bytes & AsyncGenerator<Uint8Array> {
  const archive = await import("./write.ts");
  yield* archive.writeArchive(store, options);
}

/**
 * Images of the store as an OCI layout in a directory, which is made if need be. Added to what is there: a layout keeps
 * its other images. Every file is whole or absent, and `index.json` is written last.
 */
export async function writeLayout(store: ContentStore, directory: string, options: WriteOptions): Promise<void> {
  const layout = await import("./write-layout.ts");
  await layout.writeLayout(store, directory, options);
}
