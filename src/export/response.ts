import type { ExportedImage } from "./types.ts";

/** The annotation with the time of creation, in the descriptor of an archive's image. */
const CREATED = "org.opencontainers.image.created";

/** Returns what an image exporter answers to a client of BuildKit, by BuildKit's keys. */
export function exporterResponse({ descriptor, configDigest, names, created }: ExportedImage): Map<string, string> {
  const response = new Map<string, string>([["containerimage.digest", descriptor.digest]]);
  if (configDigest !== undefined) response.set("containerimage.config.digest", configDigest);
  const annotations = {
    ...(created === undefined ? {} : { [CREATED]: new Date(created * 1000).toISOString().replace(".000Z", "Z") }),
    ...descriptor.annotations,
  };
  const described = Object.keys(annotations).length === 0 ? descriptor : { ...descriptor, annotations };
  response.set("containerimage.descriptor", Buffer.from(JSON.stringify(described)).toString("base64"));
  if (names.length > 0) response.set("image.name", names.join(","));
  return response;
}
