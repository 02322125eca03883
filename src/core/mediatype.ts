/** Media types of the OCI image specification and the Docker types that they replaced. */
export const MediaType = {
  ociManifest: "application/vnd.oci.image.manifest.v1+json",
  ociIndex: "application/vnd.oci.image.index.v1+json",
  ociConfig: "application/vnd.oci.image.config.v1+json",
  ociEmpty: "application/vnd.oci.empty.v1+json",
  ociLayer: "application/vnd.oci.image.layer.v1.tar",
  ociLayerGzip: "application/vnd.oci.image.layer.v1.tar+gzip",
  ociLayerZstd: "application/vnd.oci.image.layer.v1.tar+zstd",
  dockerManifest: "application/vnd.docker.distribution.manifest.v2+json",
  dockerList: "application/vnd.docker.distribution.manifest.list.v2+json",
  dockerConfig: "application/vnd.docker.container.image.v1+json",
  dockerLayer: "application/vnd.docker.image.rootfs.diff.tar",
  dockerLayerGzip: "application/vnd.docker.image.rootfs.diff.tar.gzip",
  dockerLayerZstd: "application/vnd.docker.image.rootfs.diff.tar.zstd",
  dockerForeignLayerGzip: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  ociNonDistributableLayerGzip: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  buildkitCacheConfig: "application/vnd.buildkit.cacheconfig.v0",
  inToto: "application/vnd.in-toto+json",
} as const;

/** How a stream of bytes is compressed. */
export type StreamCompression = "uncompressed" | "gzip" | "zstd";

/** How a layer is compressed. eStargz is gzip whose files can be read one by one; its media type is that of gzip. */
export type LayerCompression = StreamCompression | "estargz";

const LAYER =
  /^application\/vnd\.(?:oci\.image\.layer\.(?:nondistributable\.)?v1\.tar|docker\.image\.rootfs\.(?:foreign\.)?diff\.tar)(?:[+.](gzip|zstd))?$/;

/** True for an OCI or Docker image manifest. */
export function isManifestType(type: string): boolean {
  return type === MediaType.ociManifest || type === MediaType.dockerManifest;
}

/** True for an OCI index or a Docker manifest list. */
export function isIndexType(type: string): boolean {
  return type === MediaType.ociIndex || type === MediaType.dockerList;
}

/** True for an OCI or Docker image config. */
export function isConfigType(type: string): boolean {
  return type === MediaType.ociConfig || type === MediaType.dockerConfig;
}

/** True for an OCI or Docker layer. */
export function isLayerType(type: string): boolean {
  return LAYER.test(type);
}

/** True for the Docker family of types, false for OCI's and all others. */
export function isDockerType(type: string): boolean {
  return type.startsWith("application/vnd.docker.");
}

/** How a layer of this media type is compressed, or undefined for any other media type. An eStargz layer is "gzip" here. */
export function layerCompression(type: string): StreamCompression | undefined {
  const match = LAYER.exec(type);
  if (match === null) return undefined;
  return match[1] === "gzip" || match[1] === "zstd" ? match[1] : "uncompressed";
}

/** Returns the type of layers that may not be distributed for the type of a layer. Docker has none for zstd, so OCI's is used. */
export function nonDistributableType(type: string): string {
  if (type === MediaType.dockerLayerZstd) return nonDistributableType(MediaType.ociLayerZstd);
  return type
    .replace("image.layer.v1", "image.layer.nondistributable.v1")
    .replace("rootfs.diff", "rootfs.foreign.diff");
}

/** The layer media type for a compression, in the OCI or the Docker family. */
export function layerMediaType(compression: LayerCompression, family: "oci" | "docker" = "oci"): string {
  switch (compression) {
    case "uncompressed":
      return family === "oci" ? MediaType.ociLayer : MediaType.dockerLayer;
    case "gzip":
    case "estargz":
      return family === "oci" ? MediaType.ociLayerGzip : MediaType.dockerLayerGzip;
    case "zstd":
      return family === "oci" ? MediaType.ociLayerZstd : MediaType.dockerLayerZstd;
  }
}
