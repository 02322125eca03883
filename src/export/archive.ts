import { dirname } from "node:path";
import { VarveError, formatReference } from "../core/index.ts";
import { type ArchiveFormat, writeArchive, writeLayout } from "../image/index.ts";
import { assembleImage, fetchLayers } from "./assemble.ts";
import type { ImageAttributes } from "./attributes.ts";
import { makeDestDirectory, writeDest, writingTo } from "./write-output.ts";
import { imageNames } from "./image.ts";
import type { ExportDeps, ExportSource, ExportedImage } from "./types.ts";

export interface ArchiveTarget {
  readonly attrs: ImageAttributes;
  /** A file, `-` for standard output, or a directory with `tar=false`. */
  readonly dest: string | undefined;
}

/**
 * Writes the image as an OCI or Docker archive, or as an OCI layout directory with the attribute `tar=false`.
 *
 * @throws {VarveError} `invalid-argument` without a destination, or for a Docker archive of several platforms; `storage`.
 * @example
 * await exportArchive("oci", source, { attrs: parseImageAttributes({}), dest: "app.tar" }, deps);
 */
export async function exportArchive(
  format: ArchiveFormat,
  source: ExportSource,
  { attrs, dest }: ArchiveTarget,
  deps: ExportDeps,
): Promise<ExportedImage> {
  if (format === "docker" && source.multi) {
    throw new VarveError(
      "invalid-argument",
      "Cannot export: docker exporter does not currently support exporting manifest lists",
    );
  }
  const path = dest ?? (attrs.tar ? "-" : undefined);
  if (path === undefined || path === "")
    throw new VarveError("invalid-argument", `Cannot export: output type ${format} needs dest=PATH`);
  const image = await assembleImage(source, attrs, deps);
  await fetchLayers(image.layers, deps);
  const names = imageNames(source, attrs, image.descriptor).map(formatReference);
  const created = source.epoch ?? Math.floor(Date.now() / 1000);
  const options = {
    format,
    images: [{ descriptor: image.descriptor, names }],
    created,
    signal: deps.hold.signal,
  };
  await deps.part("sending tarball", async () => {
    if (path !== "-") await makeDestDirectory(attrs.tar ? dirname(path) : path);
    if (attrs.tar) await writeDest(path, writeArchive(deps.content, options), deps.hold);
    else await writingTo(path, () => writeLayout(deps.content, path, options));
  });
  return { descriptor: image.descriptor, configDigest: image.configDigest, names };
}
