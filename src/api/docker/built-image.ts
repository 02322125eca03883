import { familiarReference, isVarveError, parseReference } from "../../core/index.ts";
import type { StoredImage } from "../buildkit/index.ts";
import type { DockerApi } from "./api.ts";
import { type ApiImage, findImage } from "./images/api-image.ts";

/** Emits the events of an image that was built by BuildKit's API: one for the image, and one for each of its names. */
export async function announceImage(
  { store, events }: Pick<DockerApi, "store" | "events">,
  { digest, names }: StoredImage,
): Promise<void> {
  const image = await findImage(store, digest).catch(ifRemoved);
  if (image === undefined) return;
  events.image("create", image.id, image.id, image.config);
  for (const name of names) events.image("tag", image.id, familiarReference(parseReference(name)), image.config);
}

/** Another client may have removed the image, or given its only name to another one. */
function ifRemoved(error: unknown): ApiImage | undefined {
  if (isVarveError(error, "not-found")) return undefined;
  throw error;
}
