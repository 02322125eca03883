// The implementations are loaded on first use, because most processes need none of them.
import type { ContentStore } from "../../content/index.ts";
import type { Bytes } from "../../io/index.ts";
import type { LoadOptions, LoadedImage, WriteOptions } from "./types.ts";

/**
 * Loads the images of an archive into the store: an OCI layout, or an archive of any version of `docker save`, compressed or
 * not. Every blob is checked against its digest, and every Docker layer against its diffID. Blobs of an archive that is rejected
 * are removed when the lease ends.
 *
 * @throws {VarveError} `corrupt` for an incomplete archive or another file; `limit-exceeded` for too large parts.
 * @example
 * const [image] = await loadArchive(store, createReadStream("app.tar"), { lease });
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
 * Copies the images of an OCI layout directory into the store.
 *
 * @throws {VarveError} `not-found` if the directory is not an OCI layout; `corrupt` if a blob is damaged or missing.
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
 * Yields a tar archive with images of the store as an OCI layout, for `docker load` and other programs. The same images, names
 * and time give the same bytes: entries are sorted by name, with owner 0:0 and time 0. Missing layers with URLs, and missing
 * platforms of an index, are left out.
 *
 * @throws {VarveError} `not-found`, before the first byte, if any other blob is missing.
 */
export async function* writeArchive(store: ContentStore, options: WriteOptions): Bytes & AsyncGenerator<Uint8Array> {
  const archive = await import("./write.ts");
  yield* archive.writeArchive(store, options);
}

/**
 * Writes images of the store into an OCI layout directory, which is created if needed. Other images in the layout are kept. Each
 * file is written atomically, `index.json` last.
 *
 * @throws {VarveError} `not-found` if a blob is missing; see `writeArchive`.
 */
export async function writeLayout(store: ContentStore, directory: string, options: WriteOptions): Promise<void> {
  const layout = await import("./write-layout.ts");
  await layout.writeLayout(store, directory, options);
}
