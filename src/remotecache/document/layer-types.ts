/** Docker's layer types by OCI's. Docker has none for a nondistributable layer that is compressed with zstd. */
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

/** Returns the OCI media type of a layer. Other types are returned unchanged. */
export function toOciType(type: string): string {
  return OCI_BY_DOCKER.get(type) ?? type;
}

/** Returns Docker's media type of a layer. Types without a counterpart are returned unchanged. */
export function toDockerType(type: string): string {
  return DOCKER_BY_OCI.get(type) ?? type;
}
