import { dirname } from "node:path";
import { VarveError, formatReference } from "../core/index.ts";
import {
  type ArchiveFormat,
  type ArchiveImage,
  isDocumentType,
  walkDescriptors,
  writeArchive,
  writeLayout,
} from "../image/index.ts";
import { assembleImage, epochOf, fetchLayers } from "./assemble.ts";
import type { ImageAttributes } from "./attributes.ts";
import { makeDestDirectory, writeDest, writeToSink, writingTo } from "./write-output.ts";
import { imageNames } from "./names.ts";
import { exporterResponse } from "./response.ts";
import type { ContentSink, StreamSink } from "./sinks.ts";
import type { ExportDeps, ExportSource, ExportedImage } from "./types.ts";

export interface ArchiveTarget {
  readonly attrs: ImageAttributes;
  /**
   * A file, `-` for standard output, or a directory with `tar=false`. A client takes the archive as a stream, or with `tar=false`
   * the blobs into a content store.
   */
  readonly dest: string | StreamSink | ContentSink | undefined;
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
  const output = dest ?? (attrs.tar ? "-" : undefined);
  if (output === undefined || output === "")
    throw new VarveError("invalid-argument", `Cannot export: output type ${format} needs dest=PATH`);
  const image = await assembleImage(source, attrs, { inlineOnly: attrs.attestationInline ?? false }, deps);
  await fetchLayers(image.layers, deps);
  const names = imageNames(source, attrs, image.descriptor).map(formatReference);
  const created = epochOf(source, attrs) ?? Math.floor(Date.now() / 1000);
  const exported = { descriptor: image.descriptor, configDigest: image.configDigest, names, created };
  await deps.part("sending tarball", () => write(output, exported, { format, tar: attrs.tar }, deps));
  return exported;
}

async function write(
  output: NonNullable<ArchiveTarget["dest"]>,
  image: ExportedImage & { readonly created: number },
  { format, tar }: { readonly format: ArchiveFormat; readonly tar: boolean },
  deps: ExportDeps,
): Promise<void> {
  const { content, hold } = deps;
  const options = { format, images: [image], created: image.created, signal: hold.signal };
  if (typeof output !== "string") {
    if (output.kind === "content") return await copyImage(image, output, deps);
    return await writeToSink(output, writeArchive(content, options), exporterResponse(image));
  }
  if (output !== "-") await makeDestDirectory(tar ? dirname(output) : output);
  if (tar) return await writeDest(output, writeArchive(content, options), hold);
  await writingTo(output, () => writeLayout(content, output, options));
}

/** Copies the blobs of an image, each document after the blobs that it names. */
async function copyImage({ descriptor }: ArchiveImage, sink: ContentSink, deps: ExportDeps): Promise<void> {
  const { content, hold } = deps;
  const found = await Array.fromAsync(walkDescriptors(content, descriptor, hold), (step) => step.descriptor);
  const documents = found.filter(({ mediaType }) => isDocumentType(mediaType)).reverse();
  for (const blob of [...found.filter(({ mediaType }) => !isDocumentType(mediaType)), ...documents])
    await sink.write(blob, () => content.open(blob.digest, hold.signal && { signal: hold.signal }));
}
