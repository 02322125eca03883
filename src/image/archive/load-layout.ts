import type { ContentStore } from "../../content/index.ts";
import {
  type Descriptor,
  type Digest,
  Limits,
  MediaType,
  VarveError,
  parseJson,
  throwIfAborted,
} from "../../core/index.ts";
import { MAX_INDEX_DEPTH, children } from "../documents.ts";
import { readIndex } from "../read-manifest.ts";
import { blobPath } from "./contents.ts";
import { readLayoutFile, useLayoutFile } from "./layout-file.ts";
import { imagesOfIndex } from "./load-index.ts";
import type { LoadOptions, LoadedImage } from "./types.ts";

/** Throws `unsupported` for an `oci-layout` of another version. */
export function checkLayoutVersion(bytes: Uint8Array): void {
  const version = parseJson(bytes, "oci-layout", { limit: Limits.manifest })
    .requiredObject()
    .string("imageLayoutVersion");
  if (version !== "1.0.0")
    throw new VarveError(
      "unsupported",
      `Cannot read OCI layout: its version is ${JSON.stringify(version?.slice(0, 40))}`,
    );
}

async function copyBlob(
  store: ContentStore,
  directory: string,
  { digest, size }: Descriptor,
  { lease, signal }: LoadOptions,
): Promise<boolean> {
  const options = { expected: { digest, size }, lease, signal };
  return (await useLayoutFile(directory, blobPath(digest), (bytes) => store.put(bytes, options))) !== undefined;
}

/** Copies all blobs that an entry reaches and that exist in the layout. A later check finds missing ones. */
async function copyTree(store: ContentStore, directory: string, root: Descriptor, options: LoadOptions): Promise<void> {
  const seen = new Set<Digest>([root.digest]);
  const queue = [{ descriptor: root, depth: 0 }];
  for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
    throwIfAborted(options.signal, `read OCI layout ${directory}`);
    if (step.depth > MAX_INDEX_DEPTH)
      throw new VarveError("limit-exceeded", `Cannot read image ${root.digest}: its indexes are nested too deep`);
    if (!(await copyBlob(store, directory, step.descriptor, options))) continue;
    for (const child of await children(store, step.descriptor, options.signal)) {
      if (!seen.has(child.digest)) queue.push({ descriptor: child, depth: step.depth + 1 });
      seen.add(child.digest);
    }
  }
}

/** Implements `loadLayout`; see `index.ts`. */
export async function loadLayout(
  store: ContentStore,
  directory: string,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const version = await readLayoutFile(directory, "oci-layout", Limits.manifest);
  const bytes = await readLayoutFile(directory, "index.json", Limits.manifest);
  if (version === undefined || bytes === undefined)
    throw new VarveError("not-found", `Cannot read OCI layout ${directory}: it has no oci-layout or no index.json`);
  checkLayoutVersion(version);
  const index = readIndex(bytes, MediaType.ociIndex);
  for (const entry of index.manifests) await copyTree(store, directory, entry, options);
  return await imagesOfIndex(store, index, new Map(), options);
}
