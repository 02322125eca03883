/** Docker's layer types by OCI's: one to one, but for a layer that may not be distributed and is compressed by zstd. */
const DOCKER_BY_OCI: ReadonlyMap<string, string> = new Map(
  [
    ["oci.image.layer.v1.tar", "docker.image.rootfs.diff.tar"],
    ["oci.image.layer.v1.tar+gzip", "docker.image.rootfs.diff.tar.gzip"],
    ["oci.image.layer.v1.tar+zstd", "docker.image.rootfs.diff.tar.zstd"],
    ["oci.image.layer.nondistributable.v1.tar", "docker.image.rootfs.foreign.diff.tar"],
    ["oci.image.layer.nondistributable.v1.tar+gzip", "docker.image.rootfs.foreign.diff.tar.gzip"],
  ].map(([oci, docker]) => [`application/vnd.${oci}`, `application/vnd.${docker}`]),
);
const OCI_BY_DOCKER: ReadonlyMap<string, string> = new Map([...DOCKER_BY_OCI].map(([oci, docker]) => [docker, oci]));

/** The OCI type of a layer type; other types as they are. */
export function toOciType(type: string): string {
  return OCI_BY_DOCKER.get(type) ?? type;
}

/** Docker's type of a layer type; types it has none for as they are. */
export function toDockerType(type: string): string {
  return DOCKER_BY_OCI.get(type) ?? type;
}
