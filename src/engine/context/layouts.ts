import { type Descriptor, type Digest, VarveError } from "../../core/index.ts";
import { loadLayout } from "../../image/index.ts";
import type { Hold } from "../../record/index.ts";
import type { ContentStore } from "../../content/index.ts";

/** An image in an OCI layout directory. */
export interface LayoutLocation {
  readonly directory: string;
  readonly tag: string;
  readonly digest: string | undefined;
}

/**
 * Loads an image of a layout, with its layers, into the content store and returns its descriptor.
 *
 * @throws {VarveError} `not-found` if the layout has no such image.
 */
export async function openLayout(
  { directory, tag, digest }: LayoutLocation,
  content: ContentStore,
  hold: Hold,
): Promise<Descriptor & { readonly digest: Digest }> {
  const options = { lease: hold.lease, signal: hold.signal };
  const images = await loadLayout(content, directory, options);
  const wanted = images.find(({ descriptor, names }) =>
    digest === undefined ? names.some((name) => name.endsWith(`:${tag}`)) : descriptor.digest === digest,
  );
  const chosen = wanted ?? (digest === undefined && images.length === 1 ? images[0] : undefined);
  if (chosen !== undefined) return chosen.descriptor;
  throw new VarveError("not-found", `Cannot use OCI layout ${directory}: it has no image ${digest ?? tag}`);
}
