import { deflateRawSync, inflateRawSync } from "node:zlib";
import { VarveError } from "../core/index.ts";
import { ByteReader, ByteWriter } from "../io/index.ts";
import type { LayerEntry } from "./layer-entry.ts";

const KINDS = ["file", "symlink", "other", "directory", "deletion"] as const;
/** Bytes of a digest in a list: nobody can make two contents with one of these. */
export const DIGEST_BYTES = 16;
const MAX_BYTES = 67_108_864;
/** Maximum number of entries of a layer. */
export const MAX_ENTRIES = 200_000;

/** Encodes the entries of a layer. The same entries give the same bytes, whatever their order. */
export function encodeLayer(entries: readonly LayerEntry[]): Buffer {
  const writer = new ByteWriter();
  writer.number(entries.length);
  for (const entry of entries.toSorted(byPath)) {
    writer.number(KINDS.indexOf(entry.kind));
    writer.text(entry.path);
    if (entry.kind === "deletion") continue;
    writer.hex(entry.attributes);
    if (entry.kind === "directory") writer.number(entry.opaque ? 1 : 0);
    else if (entry.kind === "file") writer.hex(entry.content);
  }
  return deflateRawSync(writer.take(), { level: 1 });
}

function byPath(a: LayerEntry, b: LayerEntry): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}

/**
 * Reads what `encodeLayer` wrote.
 * @throws {VarveError} `corrupt`
 */
export function decodeLayer(bytes: Uint8Array): LayerEntry[] {
  const reader = new ByteReader(inflated(bytes));
  const entries: LayerEntry[] = [];
  const count = reader.number();
  if (count > MAX_ENTRIES) throw new VarveError("corrupt", "Cannot read the entries of a layer: too many");
  for (let left = count; left > 0; left -= 1) entries.push(readEntry(reader));
  return entries;
}

function readEntry(reader: ByteReader): LayerEntry {
  const kind = KINDS[reader.number()];
  if (kind === undefined) throw new VarveError("corrupt", "Cannot read the entries of a layer: unknown type");
  const path = reader.text();
  switch (kind) {
    case "deletion":
      return { path, kind };
    case "directory": {
      const attributes = reader.hex(DIGEST_BYTES);
      return { path, kind, attributes, opaque: reader.number() === 1 };
    }
    case "file":
      return { path, kind, attributes: reader.hex(DIGEST_BYTES), content: reader.hex(DIGEST_BYTES) };
    case "symlink":
    case "other":
      return { path, kind, attributes: reader.hex(DIGEST_BYTES), content: "" };
  }
}

function inflated(bytes: Uint8Array): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    throw new VarveError("corrupt", "Cannot read the entries of a layer: cannot be decompressed", { cause: error });
  }
}
