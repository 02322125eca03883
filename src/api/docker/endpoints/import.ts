import {
  type Descriptor,
  Limits,
  MediaType,
  type Platform,
  familiarReference,
  formatReference,
} from "../../../core/index.ts";
import { type Bytes, decompress, limited } from "../../../io/index.ts";
import { getUrl, keepUntagged, nameImage } from "../../../classic/index.ts";
import { checkedTar, createLayer } from "../../../layer/index.ts";
import { encodeImageConfig, encodeManifest, formatTime, linkImage } from "../../../image/index.ts";
import type { HttpResponse } from "../../http/types.ts";
import type { Call, DockerApi } from "../api.ts";
import { applyChanges } from "../changes.ts";
import { refusal } from "../errors.ts";
import { type Emit, progressStream } from "../progress-stream.ts";
import { targetReference } from "../parameters.ts";
import { text } from "../query.ts";

/** An archive, the body or what a URL stands for, as the only layer of a new image. */
export async function importImage(
  { query, request }: Call,
  source: string,
  platform: Platform,
  api: DockerApi,
): Promise<HttpResponse> {
  const url = source === "-" ? undefined : urlOf(source);
  const repository = text(query, "repo");
  const reference = repository === undefined ? undefined : targetReference(repository, text(query, "tag"));
  const config = applyChanges({}, query.getAll("changes"));
  const comment = text(query, "message") ?? `Imported from ${url ?? source}`;
  return await progressStream(request.signal, async (emit, signal) => {
    const { content } = api.store;
    await using lease = await content.lease();
    const body = url === undefined ? request.body : await downloaded(url, emit, signal);
    const named = { what: "the archive" };
    const archive = decompress(body, { ...named, format: "detect", lenient: true, limit: Limits.layerUnpacked });
    const stream = createLayer(checkedTar(archive, named), { compression: "gzip" });
    const { digest, size } = await content.put(stream.bytes, { lease, signal });
    const layer = await stream.result;
    const created = formatTime(BigInt(Date.now()) * 1_000_000n);
    const put = async (bytes: Buffer, mediaType: string): Promise<Descriptor> => {
      const info = await content.put(bytes, { lease, signal });
      return { mediaType, digest: info.digest, size: info.size };
    };
    const image = {
      created,
      architecture: platform.architecture,
      os: platform.os,
      ...(platform.variant === undefined ? {} : { variant: platform.variant }),
      config,
      rootfs: { type: "layers", diff_ids: [layer.diffId] },
      history: [{ created, comment }],
    };
    const descriptor = await put(encodeImageConfig(image), MediaType.ociConfig);
    const manifest = encodeManifest({
      kind: "manifest",
      mediaType: MediaType.ociManifest,
      config: descriptor,
      layers: [{ mediaType: layer.mediaType, digest, size }],
    });
    const target = await put(manifest, MediaType.ociManifest);
    await linkImage(content, target, signal);
    const id = descriptor.digest;
    if (reference === undefined) keepUntagged(api.store, { id, manifest: target });
    else await nameImage(api.store, formatReference(reference), target);
    if (reference !== undefined) api.events.image("tag", id, familiarReference(reference), image);
    api.events.image("import", id, id, image);
    emit({ status: id });
  });
}

/** Without a scheme it is of HTTP. */
function urlOf(source: string): string {
  const url = source.includes("://") ? source : `http://${source}`;
  if (!/^https?:/i.test(url) || !URL.canParse(url))
    throw refusal(400, `Cannot import ${source}: it is no URL of http or https`);
  return url;
}

async function downloaded(url: string, emit: Emit, signal: AbortSignal): Promise<Bytes> {
  const { body } = await getUrl(url, signal);
  emit({ status: `Downloading from ${url}` });
  return limited(body, Limits.layerUnpacked, { what: url });
}
