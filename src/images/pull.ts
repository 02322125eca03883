import {
  type Descriptor,
  type Digest,
  type Platform,
  type Reference,
  formatReference,
  hostPlatform,
  parseReference,
  withDefaultTag,
} from "../core/index.ts";
import type { Store } from "../engine/index.ts";
import { type NamedImage, checkImage, nameImage } from "../image/index.ts";
import type { Registry } from "../registry/index.ts";
import { requireNamedImage } from "./find.ts";
import type { ImageTransferOptions } from "./types.ts";

/** The layers of a pull, which are reported before the first one is fetched. */
export interface PulledLayers {
  readonly layers: readonly Descriptor[];
  /** Digests of the layers that are already in the store. */
  readonly present: ReadonlySet<Digest>;
}

export interface PullImageOptions extends ImageTransferOptions {
  /** The platform to pull from an index, or all of them. Default: this machine's. */
  readonly platform?: Platform | "all" | undefined;
  /** A registry client with other credentials. Default: the client of the store. */
  readonly registry?: Registry | undefined;
  /** Called when manifests and configs are fetched and valid. */
  readonly onResolved?: ((layers: PulledLayers) => void) | undefined;
}

/**
 * Pulls an image with all its layers and stores it under its name. Blobs that are in the store are verified, and fetched again if they
 * are damaged. An image that had the name before stays in the store, without that name.
 *
 * @throws {VarveError} `not-found`, `unauthorized` or `remote` from the registry, `invalid-image` if the image cannot be used.
 */
export async function pullImage(
  store: Store,
  name: string | Reference,
  options: PullImageOptions = {},
): Promise<NamedImage> {
  const reference = withDefaultTag(typeof name === "string" ? parseReference(name) : name);
  const { content } = store;
  const { platform = hostPlatform(), onResolved } = options;
  const { pull } = await import("../registry/index.ts");
  await using lease = await content.lease();
  const { target } = await pull(options.registry ?? (await store.registry()), reference, {
    platform,
    store: content,
    lease,
    check: checkImage,
    present: "verify",
    signal: options.signal,
    onEvent: options.onTransfer,
    onWait: options.onWait,
    onResolved:
      onResolved &&
      ((images) => {
        const layers = images.flatMap((image) => image.layers);
        const present = layers.filter(({ digest }) => content.info(digest) !== undefined).map(({ digest }) => digest);
        onResolved({ layers, present: new Set(present) });
      }),
  });
  const full = formatReference(reference);
  await nameImage(store, full, target);
  return await requireNamedImage(store, full);
}
