import {
  type Descriptor,
  type Reference,
  VarveError,
  familiarReference,
  formatReference,
  parseReference,
  withDefaultTag,
} from "../core/index.ts";
import type { LayerBlob } from "../record/index.ts";
import type { Registry } from "../registry/index.ts";
import { assembleImage, fetchLayers } from "./assemble.ts";
import type { ImageAttributes } from "./attributes.ts";
import type { ExportDeps, ExportSource, ExportedImage } from "./types.ts";

/** The names an image gets: those of the attributes, else the build's; dangling and canonical names as asked for. */
export function namesOf(source: ExportSource, attrs: ImageAttributes, descriptor: Descriptor): Reference[] {
  const given =
    attrs.names === "from-result" || attrs.names.length === 0 ? [...source.names] : attrs.names.map(parseReference);
  if (attrs.pushByDigest) return given;
  const names = given.map(withDefaultTag);
  const canonical = attrs.nameCanonical
    ? names.map(({ registry, repository }) => ({ registry, repository, digest: descriptor.digest }))
    : [];
  const useDangling = attrs.danglingPrefix !== undefined && (names.length === 0 || !attrs.danglingEmptyOnly);
  const dangling = useDangling ? [{ ...parseReference(attrs.danglingPrefix ?? ""), digest: descriptor.digest }] : [];
  return [...names, ...canonical, ...dangling];
}

/** Keeps the image in the store under its names, and pushes it where that is asked for. */
export async function exportImage(
  source: ExportSource,
  attrs: ImageAttributes,
  deps: ExportDeps,
): Promise<ExportedImage> {
  checkPushByDigest(source, attrs);
  const image = await assembleImage(source, attrs, deps);
  const names = namesOf(source, attrs, image.descriptor);
  if (attrs.store && !attrs.pushByDigest) {
    await fetchLayers(image.layers, deps);
    for (const name of names) {
      await deps.part(`naming to ${formatReference(name)}`, async () =>
        deps.images.tag(formatReference(name), image.descriptor),
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

function checkPushByDigest(source: ExportSource, { pushByDigest, names }: ImageAttributes): void {
  if (!pushByDigest) return;
  const all = names === "from-result" || names.length === 0 ? source.names : names.map(parseReference);
  const tagged = all.find((name) => name.tag !== undefined);
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
  await deps.part("pushing layers", async () => {
    const { push } = await import("../registry/index.ts");
    await push(registry, names, {
      store: deps.content,
      target: image.descriptor,
      signal: deps.hold.signal,
      onWait: deps.hold.onWait,
      onEvent: deps.onTransfer,
      lazy: (descriptor, offset) => lazyLayer(descriptor, offset, { sources, deps }),
      mountFrom: (descriptor, host) =>
        (sources.get(descriptor.digest)?.sources ?? [])
          .filter((at) => at.startsWith(`${host}/`))
          .map((at) => at.slice(host.length + 1)),
    });
  });
}

/** A layer that was never pulled and that the target lacks: fetched into the store, then read from there. */
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
