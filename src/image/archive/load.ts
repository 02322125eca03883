import type { ContentStore } from "../../content/index.ts";
import { MediaType, VarveError } from "../../core/index.ts";
import type { Bytes } from "../../io/index.ts";
import { readIndex } from "../read-manifest.ts";
import { readArchive } from "./archive-files.ts";
import { imagesOfDockerManifest, namesByConfig } from "./load-docker.ts";
import { imagesOfIndex } from "./load-index.ts";
import { checkLayoutVersion } from "./load-layout.ts";
import type { LoadOptions, LoadedImage } from "./types.ts";

/** Implements `loadArchive`; see `index.ts`. */
export async function loadArchive(
  store: ContentStore,
  bytes: Bytes,
  options: LoadOptions,
): Promise<readonly LoadedImage[]> {
  const files = await readArchive(store, bytes, options);
  const version = files.document("oci-layout");
  const index = files.document("index.json");
  const docker = files.document("manifest.json");
  if (version !== undefined) checkLayoutVersion(version);
  if (index !== undefined)
    return await imagesOfIndex(store, readIndex(index, MediaType.ociIndex), namesByConfig(files, docker), options);
  if (docker !== undefined) return await imagesOfDockerManifest(store, files, docker, options);
  throw new VarveError("corrupt", "Cannot load image archive: it has neither index.json nor manifest.json");
}
