import { create, fromBinary, toJson } from "@bufbuild/protobuf";
import { type OrderedJson, compareBytes, digestOf, sortKeys } from "../../../../core/index.ts";
import type { SourceFile } from "../../../../dockerfile/index.ts";
import type { CompileResult } from "../../../../frontend/index.ts";
import { definitionOf } from "../../../../llb/index.ts";
import { OpSchema, SourceSchema } from "../../proto/gen/ops_pb.ts";
import { metadataJson } from "../../result/definition-json.ts";
import { lineRanges } from "../../../../dockerfile/index.ts";
import { type SubrequestMetadata, metadataOf } from "./metadata.ts";

/**
 * Returns the answer to `frontend.convertllb`: the graph of a Dockerfile. Ops and sources are JSON as protobuf defines it.
 *
 * @see moby/buildkit frontend/subrequests/convertllb/convertllb.go
 */
export function convertedMetadata({ edge, sources }: CompileResult, file: SourceFile): SubrequestMetadata {
  const { ops, metadata } = definitionOf(edge);
  const json = {
    def: inOrder(ops.map((op) => [digestOf(op), toJson(OpSchema, fromBinary(OpSchema, op))])),
    metadata: inOrder(Array.from(metadata, ([digest, value]) => [digest, sortKeys(metadataJson(value))])),
    source: sourceJson(new Map([...sources].filter(([digest]) => metadata.has(digest))), file),
  };
  return metadataOf(json, "0.1.0");
}

/** Go writes the keys of a map in order. */
function inOrder(entries: readonly (readonly [string, OrderedJson])[]): ReadonlyMap<string, OrderedJson> {
  return new Map(entries.toSorted(([a], [b]) => compareBytes(a, b)));
}

function sourceJson(sources: CompileResult["sources"], { name, text }: SourceFile): OrderedJson {
  if (sources.size === 0) return {};
  const locations = [...sources]
    .toSorted(([a], [b]) => compareBytes(a, b))
    .map(
      ([digest, ranges]) => [digest, { locations: ranges.map((range) => ({ ranges: lineRanges(range) })) }] as const,
    );
  const info = { filename: name, data: Buffer.from(text), language: "Dockerfile" };
  return toJson(SourceSchema, create(SourceSchema, { locations: Object.fromEntries(locations), infos: [info] }));
}
