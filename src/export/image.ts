import { type Descriptor, type Reference, VarveError, familiarReference, formatReference } from "../core/index.ts";
import type { LayerBlob } from "../record/index.ts";
import type { Registry } from "../registry/index.ts";
import { assembleImage, fetchLayers } from "./assemble.ts";
import type { ImageAttributes } from "./attributes.ts";
import { imageNames, requestedNames } from "./names.ts";
import type { ExportDeps, ExportSource, ExportedImage } from "./types.ts";

/**
 * Writes the image to the store under its names, and pushes it if the attribute `push` is set.
 *
 * @throws {VarveError} `invalid-argument` for names and annotations that do not fit; `storage`; the errors of a push.
 * @example
 * const { descriptor, names } = await exportImage(source, parseImageAttributes({ name: "app:1", push: "true" }), deps);
 */
export async function exportImage(
  source: ExportSource,
  attrs: ImageAttributes,
  deps: ExportDeps,
): Promise<ExportedImage> {
  checkPushByDigest(source, attrs);
  const image = await assembleImage(source, attrs, { inlineOnly: attrs.attestationInline ?? true }, deps);
  const names = imageNames(source, attrs, image.descriptor);
  if (attrs.store && !attrs.pushByDigest) {
    await fetchLayers(attrs.preferNonDistributable ? image.layers.filter(isDistributed) : image.layers, deps);
    for (const name of names) {
      await deps.part(
        `naming to ${formatReference(name)}`,
        async () => await deps.images.tag(formatReference(name), image.descriptor),
      );
    }
  }
  if (attrs.unpack)
    await Promise.all(source.platforms.map((platform) => deps.records.snapshots.of(platform.record, deps.hold)));
  if (attrs.push && names.length > 0) {
    const registry = await deps.registry();
    if (attrs.insecure) for (const name of names) registry.allowInsecure(name.registry);
    await pushImage(image, names, registry, deps);
  }
  return { descriptor: image.descriptor, configDigest: image.configDigest, names: names.map(formatReference) };
}

/** False for a layer that its base publishes elsewhere. An image does not need the bytes of such a layer to be complete. */
function isDistributed({ urls }: LayerBlob): boolean {
  return urls.length === 0;
}

function checkPushByDigest(source: ExportSource, attrs: ImageAttributes): void {
  if (!attrs.pushByDigest) return;
  const tagged = requestedNames(source, attrs).find((name) => name.tag !== undefined);
  if (tagged !== undefined)
    throw new VarveError(
      "invalid-argument",
      `Cannot push: can't push tagged ref ${familiarReference(tagged)} by digest`,
    );
}

async function pushImage(
  image: Awaited<ReturnType<typeof assembleImage>>,
  names: readonly Reference[],
  registry: Registry,
  deps: ExportDeps,
): Promise<void> {
  const sources = new Map(image.layers.map((layer) => [layer.descriptor.digest, layer]));
  const { push } = await import("../registry/index.ts");
  await push(registry, names, {
    store: deps.content,
    target: image.descriptor,
    signal: deps.hold.signal,
    onWait: deps.hold.onWait,
    onEvent: deps.onTransfer,
    part: async (id, work) => await deps.part(id, work),
    lazy: (descriptor, offset) => lazyLayer(descriptor, offset, { sources, deps }),
    mountFrom: (descriptor, host) =>
      (sources.get(descriptor.digest)?.sources ?? [])
        .filter((repository) => repository.startsWith(`${host}/`))
        .map((repository) => repository.slice(host.length + 1)),
  });
}

/** Reads a layer that was not pulled yet and that the target lacks: fetches it into the store first. */
async function* lazyLayer(
  descriptor: Descriptor,
  offset: number,
  { sources, deps }: { readonly sources: ReadonlyMap<string, LayerBlob>; readonly deps: ExportDeps },
): AsyncGenerator<Uint8Array> {
  const layer = sources.get(descriptor.digest);
  if (layer === undefined)
    throw new VarveError("not-found", `Cannot push layer ${descriptor.digest}: it is not in the store`);
  await deps.records.fetch(layer, deps.hold);
  yield* deps.content.open(descriptor.digest, { offset, signal: deps.hold.signal });
}
