import { type Descriptor, type Digest, VarveError } from "../../core/index.ts";
import { loadLayout } from "../../image/index.ts";
import type { Hold } from "../../record/index.ts";
import type { ContentStore } from "../../content/index.ts";

/** An OCI layout directory that a build takes an image from. */
export interface LayoutLocation {
  readonly directory: string;
  readonly tag: string;
  readonly digest: string | undefined;
}

/** Reads the image of a layout into the content store; its layers are then there too. Throws `not-found`. */
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
