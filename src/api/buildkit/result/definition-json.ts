import type { JsonValue } from "../../../core/index.ts";
import { type VertexMetadata, decodeDefinition } from "../../../llb/index.ts";

/**
 * Converts a serialised definition to JSON as Go writes `pb.Definition`, without the positions of its own vertices. Undefined if it
 * cannot be read.
 */
export function definitionJson(bytes: Uint8Array): JsonValue | undefined {
  try {
    const { ops, metadata } = decodeDefinition(bytes);
    return {
      def: ops.map((op) => Buffer.from(op).toString("base64")),
      metadata: Object.fromEntries(Array.from(metadata, ([digest, value]) => [digest, metadataJson(value)])),
    };
  } catch {
    return undefined;
  }
}

/** Converts the metadata of a vertex. Fields that are not set are left out, as by Go's `omitempty`. */
export function metadataJson(metadata: VertexMetadata): JsonValue {
  const { ignoreCache, description, exportCache, caps, progressGroup, linuxResources } = metadata;
  return {
    ignore_cache: ignoreCache || undefined,
    description: description.size === 0 ? undefined : Object.fromEntries(description),
    export_cache: exportCache === undefined ? undefined : { Value: exportCache || undefined },
    caps: caps.size === 0 ? undefined : Object.fromEntries(Array.from(caps, (cap) => [cap, true])),
    progress_group: progressGroup && withoutZeros({ ...progressGroup }),
    linux_resources: linuxResources && withoutZeros({ ...linuxResources }),
  };
}

function withoutZeros(fields: Readonly<Record<string, string | number | boolean>>): JsonValue {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== "" && value !== 0 && value !== false),
  );
}
