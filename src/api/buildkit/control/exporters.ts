import { formatReference, parseReference, withDefaultTag } from "../../../core/index.ts";
import { GrpcCode, GrpcError } from "../../../grpc/index.ts";
import type { BuildOutput } from "../../../engine/index.ts";
import type { ContentSink, StreamSink, TreeSink } from "../../../export/index.ts";
import { type FrontendResult, ResultKey } from "../result/result.ts";
import type { ExporterRequest } from "./build-request.ts";

/** What a client can receive of a build. `index` is the id of the exporter: its position in the request. */
export interface ClientOutputs {
  /** Returns where the bytes of an archive go. */
  stream(index: number): StreamSink;
  /** Returns where the files of a result go. */
  tree(index: number): TreeSink;
  /** Returns the client's store that receives an image instead of an archive. */
  content(): ContentSink;
}

/** Returns the names of an image exporter. */
export function imageNames({ name = "" }: ExporterRequest["attrs"]): string[] {
  return name.split(",").filter((each) => each !== "");
}

/** Returns the attributes of an image that goes into the store of Docker's daemon: names have no digest, and each occurs once. */
function mobyAttributes(attrs: ExporterRequest["attrs"]): ExporterRequest["attrs"] {
  const names = imageNames(attrs);
  if (names.length === 0) return attrs;
  const references = names.map(parseReference);
  if (references.some(({ digest }) => digest !== undefined))
    throw new GrpcError(GrpcCode.unknown, "build tag cannot contain a digest");
  const tagged = references.map((reference) => formatReference(withDefaultTag(reference)));
  return { ...attrs, name: [...new Set(tagged)].join(",") };
}

/** Stands for the name that the front end gives the image. */
const ANY_NAME = "*";

/** Returns the outputs with the image name of the front end where the client leaves the name to it. */
export function namedOutputs(outputs: readonly BuildOutput[], { metadata }: FrontendResult): BuildOutput[] {
  const name = metadata.get(ResultKey.imageName);
  if (name === undefined) return [...outputs];
  return outputs.map((output) => {
    const { attrs = {} } = output;
    return attrs["name"] === ANY_NAME ? { ...output, attrs: { ...attrs, name: Buffer.from(name).toString() } } : output;
  });
}

/**
 * Returns the outputs that a client asks for. Without an exporter, nothing is exported. `first` is the id of the first exporter.
 *
 * @throws {GrpcError} `unknown` with BuildKit's text for an exporter that does not exist.
 */
export function outputsOf(exporters: readonly ExporterRequest[], client: ClientOutputs, first = 0): BuildOutput[] {
  return exporters.map(({ type, attrs }, position): BuildOutput => {
    const index = first + position;
    switch (type) {
      case "image":
        // An image that is pushed is not kept as well: a client's `prune` does not see images, and is to free all space.
        return { type, attrs: attrs["push"] === "true" ? { store: "false", ...attrs } : attrs };
      case "moby":
        return { type, attrs: mobyAttributes(attrs) };
      case "oci":
      case "docker":
        return { type, attrs, dest: attrs["tar"] === "false" ? client.content() : client.stream(index) };
      case "tar":
        return { type, attrs, dest: client.stream(index) };
      case "local":
        return { type, attrs, dest: client.tree(index) };
      default:
        throw new GrpcError(GrpcCode.unknown, `exporter ${JSON.stringify(type)} could not be found`);
    }
  });
}
