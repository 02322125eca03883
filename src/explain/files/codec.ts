import { VarveError } from "../../core/index.ts";
import type { ByteString } from "../../linux/index.ts";
import { ByteReader, ByteWriter } from "../../io/index.ts";
import { DIGEST_BYTES, KINDS, type FileEntry } from "./entry.ts";

/** Maximum number of entries of a chunk. */
export const MAX_ENTRIES = 512;
const ATTRIBUTES = 1;
const LINK = 2;
const XATTRS = 4;

/** Length of the longest common prefix. */
function shared(a: ByteString, b: ByteString): number {
  const end = Math.min(a.length, b.length);
  // Most entries are in the same directory as the one before.
  const directory = a.lastIndexOf("/") + 1;
  let at = b.startsWith(a.slice(0, directory)) ? directory : 0;
  while (at < end && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  return at;
}

/**
 * Encodes entries: of each one what differs from the one before, with the digests apart, because they cannot be compressed. The encoding
 * of equal entries is equal.
 */
export function encodeFiles(entries: readonly FileEntry[]): Buffer {
  const facts = new ByteWriter();
  const digests = new ByteWriter();
  let before: Pick<FileEntry, "path" | "kind" | "mode" | "uid" | "gid"> | undefined;
  facts.number(entries.length);
  for (const entry of entries) {
    const { path, kind, mode, uid, gid, size, link, xattrs } = entry;
    const same = before?.kind === kind && before.mode === mode && before.uid === uid && before.gid === gid;
    const prefix = shared(before?.path ?? "", path);
    facts.number((same ? 0 : ATTRIBUTES) | (link === "" ? 0 : LINK) | (xattrs.length === 0 ? 0 : XATTRS));
    facts.number(prefix);
    facts.text(path.slice(prefix));
    if (!same) for (const value of [KINDS.indexOf(kind), mode, uid, gid]) facts.number(value);
    facts.number(size);
    if (link !== "") facts.text(link);
    if (xattrs.length > 0) facts.number(xattrs.length);
    for (const [name, digest] of xattrs) {
      facts.text(Buffer.from(name).toString("latin1"));
      facts.hex(digest);
    }
    digests.hex(entry.digest);
    before = entry;
  }
  return Buffer.concat([facts.take(), digests.take()]);
}

/**
 * Reads what `encodeFiles` wrote.
 * @throws {VarveError} `corrupt`
 */
export function decodeFiles(bytes: Uint8Array): FileEntry[] {
  const reader = new ByteReader(bytes);
  const count = reader.number();
  if (count > MAX_ENTRIES) throw new VarveError("corrupt", "Cannot read a list of files: a part of it is too long");
  const entries: Omit<FileEntry, "digest">[] = [];
  for (let left = count; left > 0; left -= 1) entries.push(readEntry(reader, entries.at(-1)));
  return entries.map((entry) => ({ ...entry, digest: reader.hex(DIGEST_BYTES) }));
}

/** Returns the number of entries of an encoded chunk. */
export function countFiles(bytes: Uint8Array): number {
  return new ByteReader(bytes).number();
}

function readEntry(reader: ByteReader, before: Omit<FileEntry, "digest"> | undefined): Omit<FileEntry, "digest"> {
  const flags = reader.number();
  const prefix = reader.number();
  const path = `${(before?.path ?? "").slice(0, prefix)}${reader.text()}`;
  const attributes = (flags & ATTRIBUTES) > 0 || before === undefined ? readAttributes(reader) : attributesOf(before);
  const size = reader.number();
  const link = (flags & LINK) > 0 ? reader.text() : "";
  const count = (flags & XATTRS) > 0 ? reader.number() : 0;
  const xattrs: FileEntry["xattrs"][number][] = [];
  for (let left = count; left > 0; left -= 1)
    xattrs.push([Buffer.from(reader.text(), "latin1").toString(), reader.hex(DIGEST_BYTES)]);
  return { path, ...attributes, size, link, xattrs };
}

type Attributes = Pick<FileEntry, "kind" | "mode" | "uid" | "gid">;

function readAttributes(reader: ByteReader): Attributes {
  const kind = KINDS[reader.number()];
  if (kind === undefined) throw new VarveError("corrupt", "Cannot read a list of files: unknown type of file");
  return { kind, mode: reader.number(), uid: reader.number(), gid: reader.number() };
}

function attributesOf({ kind, mode, uid, gid }: Attributes): Attributes {
  return { kind, mode, uid, gid };
}
