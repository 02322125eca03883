import type { ContentStore } from "../../content/index.ts";
import type { Bytes } from "../../io/index.ts";
import { type TarInput, writeTar } from "../../layer/index.ts";
import { type LayoutContents, OCI_LAYOUT, encodeLayoutIndex, layoutContents } from "./contents.ts";
import type { WriteOptions } from "./types.ts";

function directories(contents: LayoutContents): TarInput[] {
  const paths = contents.blobs.map(({ path }) => path.slice(0, path.lastIndexOf("/")));
  return [...new Set(["blobs", ...paths])].map((path) => ({ path, type: "directory", mode: 0o755 }));
}

/** Yields the entries, sorted by path. No other file sorts between the blobs. */
function* entries(store: ContentStore, contents: LayoutContents, signal: AbortSignal | undefined): Generator<TarInput> {
  const blobs = contents.blobs.map<TarInput>(({ path, digest, size }) => ({
    path,
    mode: 0o444,
    body: { size, bytes: store.open(digest, signal && { signal }) },
  }));
  yield* [...directories(contents), ...blobs].sort((a, b) => (a.path < b.path ? -1 : 1));
  yield { path: "index.json", mode: 0o644, body: encodeLayoutIndex(contents.entries) };
  if (contents.dockerManifest !== undefined)
    yield { path: "manifest.json", mode: 0o644, body: contents.dockerManifest };
  yield { path: "oci-layout", mode: 0o444, body: OCI_LAYOUT };
}

/** Implements `writeArchive`; see `index.ts`. */
export async function* writeArchive(store: ContentStore, options: WriteOptions): Bytes & AsyncGenerator<Uint8Array> {
  const contents = await layoutContents(store, options);
  yield* writeTar(entries(store, contents, options.signal));
}
