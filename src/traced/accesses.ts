import { deflateRawSync, inflateRawSync } from "node:zlib";
import { VarveError } from "../core/index.ts";
import { ByteReader, ByteWriter } from "../io/index.ts";
import type { ByteString } from "../linux/index.ts";

/**
 * The files and directories that a step has opened or executed in its root. Paths are absolute in it: `/app/package.json`; the root itself
 * is `/`.
 */
export type Accesses = ReadonlySet<ByteString>;

/** Maximum number of paths of a step; a step that opens more is not recorded. */
export const MAX_ACCESSES = 500_000;
/** Maximum bytes of all paths together. */
const MAX_BYTES = 134_217_728;

/** Encodes accesses compactly: sorted, of each path what differs from the one before. Equal accesses have equal encodings. */
export function encodeAccesses(accesses: Accesses): Buffer {
  const writer = new ByteWriter();
  writer.number(accesses.size);
  let before = "";
  for (const path of [...accesses].sort()) {
    const prefix = sharedPrefix(before, path);
    writer.number(prefix);
    writer.text(path.slice(prefix));
    before = path;
  }
  return deflateRawSync(writer.take(), { level: 6 });
}

/**
 * Reads what `encodeAccesses` wrote.
 * @throws {VarveError} `corrupt`
 */
export function decodeAccesses(bytes: Uint8Array): Accesses {
  const reader = new ByteReader(inflated(bytes));
  const count = reader.number();
  if (count > MAX_ACCESSES) throw new VarveError("corrupt", "Cannot read what a step has opened: too many paths");
  const paths = new Set<ByteString>();
  let path = "";
  let total = 0;
  for (let left = count; left > 0; left -= 1) {
    path = path.slice(0, reader.number()) + reader.text();
    total += path.length;
    if (total > MAX_BYTES) throw new VarveError("corrupt", "Cannot read what a step has opened: paths are too long");
    paths.add(path);
  }
  return paths;
}

function inflated(bytes: Uint8Array): Buffer {
  try {
    return inflateRawSync(bytes, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    throw new VarveError("corrupt", "Cannot read what a step has opened: it cannot be decompressed", { cause: error });
  }
}

function sharedPrefix(a: ByteString, b: ByteString): number {
  const end = Math.min(a.length, b.length);
  let at = 0;
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  return at;
}
