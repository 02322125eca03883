import { MediaType, digestHex, digestOf } from "../src/core/index.ts";
import { collect } from "../src/io/index.ts";
import { writeTar } from "../src/layer/index.ts";

/** An image put together by hand, right or wrong: whatever bytes its config has. */
export interface RawImage {
  readonly config: Uint8Array;
  readonly layers: readonly Uint8Array[];
  readonly manifest: Uint8Array;
}

/** An image of these layers whose config is this JSON text. */
export function rawImage(config: string, layers: readonly Uint8Array[]): RawImage {
  const part = (mediaType: string, bytes: Uint8Array): object => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.byteLength,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: MediaType.ociManifest,
    config: part(MediaType.ociConfig, Buffer.from(config)),
    layers: layers.map((layer) => part(MediaType.ociLayer, layer)),
  };
  return { config: Buffer.from(config), layers, manifest: Buffer.from(JSON.stringify(manifest)) };
}

/** Puts the image into a registry that asks for no credentials. */
export async function pushRawImage(host: string, repository: string, tag: string, image: RawImage): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  const send = async (url: string, method: string, body?: Uint8Array, type = ""): Promise<Response> => {
    const headers = type === "" ? {} : { "content-type": type };
    const response = await fetch(url, { method, headers, ...(body && { body: Buffer.from(body) }) });
    if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${await response.text()}`);
    return response;
  };
  for (const bytes of [image.config, ...image.layers]) {
    const begun = await send(`${base}/blobs/uploads/`, "POST");
    const url = new URL(begun.headers.get("location") ?? "", base);
    url.searchParams.set("digest", digestOf(bytes));
    await send(url.href, "PUT", bytes, "application/octet-stream");
  }
  await send(`${base}/manifests/${tag}`, "PUT", image.manifest, MediaType.ociManifest);
}

/** The image as an OCI layout in an archive, under this name. */
export async function rawLayout(name: string, { manifest, config, layers }: RawImage): Promise<Buffer> {
  const entry = {
    mediaType: MediaType.ociManifest,
    digest: digestOf(manifest),
    size: manifest.byteLength,
    annotations: { "io.containerd.image.name": name },
  };
  const blobs = [manifest, config, ...layers].map((body) => ({
    path: `blobs/sha256/${digestHex(digestOf(body))}`,
    body,
  }));
  const files = [
    { path: "oci-layout", body: '{"imageLayoutVersion":"1.0.0"}' },
    { path: "index.json", body: JSON.stringify({ schemaVersion: 2, manifests: [entry] }) },
  ];
  return await collect(writeTar([...files, ...blobs]), 1 << 26, { what: "a layout" });
}
