import { isDigest, type Digest } from "../../core/index.ts";
import { invalidOp } from "../model/invalid.ts";
import { addEntry, asBytes, asInt32, asText, ProtoWriter, readFields, readInto, type Writable } from "./protobuf.ts";

/** Where the vertices of a graph come from, in the files that a client compiled: BuildKit's `pb.Source`. */
export interface SourceMap {
  readonly files: readonly SourceFile[];
  /** The locations of each vertex, in the order of the client. */
  readonly locations: ReadonlyMap<Digest, readonly SourceLocation[]>;
}

/** A file that a client compiled, for example a Dockerfile. */
export interface SourceFile {
  readonly filename: string;
  readonly data: Uint8Array;
  /** The serialised definition of the graph that the file came from. */
  readonly definition?: Uint8Array | undefined;
  /** For example `Dockerfile`. */
  readonly language: string;
}

/** Ranges of one file. */
export interface SourceLocation {
  /** The number of the file in `SourceMap.files`. */
  readonly file: number;
  readonly ranges: readonly SourceRange[];
}

/** A range of a file. Both ends are included. */
export interface SourceRange {
  readonly start: SourcePosition;
  readonly end: SourcePosition;
}

/** A position in a file. Lines are counted from 1, characters from 0. */
export interface SourcePosition {
  readonly line: number;
  readonly character: number;
}

/** The source map of a graph that has none. */
const noSourceMap: SourceMap = { files: [], locations: new Map() };

/**
 * Reads a serialised `pb.Source` (`Definition.source`). Locations of unknown vertices are kept; those of a file that is not
 * there are an error.
 *
 * @throws {VarveError} `corrupt` for malformed bytes; `invalid-argument` for a location in a file that is not there.
 */
export function decodeSourceMap(bytes: Uint8Array | undefined): SourceMap {
  if (bytes === undefined) return noSourceMap;
  const files: SourceFile[] = [];
  const locations = new Map<string, readonly SourceLocation[]>();
  for (const field of readFields(bytes)) {
    if (field.number === 1) addEntry(locations, field, (value) => decodeLocations(asBytes(value)), []);
    else if (field.number === 2) files.push(decodeFile(asBytes(field)));
  }
  for (const list of locations.values())
    for (const { file } of list)
      if (files[file] === undefined) throw invalidOp(`invalid source map: there is no file ${file}`);
  const known = [...locations].filter((entry): entry is [Digest, readonly SourceLocation[]] => isDigest(entry[0]));
  return { files, locations: new Map(known) };
}

/** Serialises a source map as a `pb.Source`. */
export function encodeSourceMap({ files, locations }: SourceMap): Uint8Array {
  const writer = new ProtoWriter();
  writer.map(1, locations, (list, entry) => {
    const body = new ProtoWriter();
    for (const location of list) body.message(1, encodeLocation(location));
    entry.message(2, body);
  });
  for (const { filename, data, definition, language } of files) {
    const body = new ProtoWriter().bytes(1, filename).bytes(2, data);
    if (definition !== undefined) body.repeated(3, [definition]);
    writer.message(2, body.bytes(4, language));
  }
  return writer.finish();
}

function encodeLocation({ file, ranges }: SourceLocation): ProtoWriter {
  const position = ({ line, character }: SourcePosition): ProtoWriter =>
    new ProtoWriter().varint(1, line).varint(2, character);
  const writer = new ProtoWriter().varint(1, file);
  for (const { start, end } of ranges)
    writer.message(2, new ProtoWriter().message(1, position(start)).message(2, position(end)));
  return writer;
}

function decodeFile(bytes: Uint8Array): SourceFile {
  const file: Writable<SourceFile> = { filename: "", data: new Uint8Array(), language: "" };
  readInto(bytes, [
    [1, (field) => (file.filename = asText(field))],
    [2, (field) => (file.data = asBytes(field))],
    [3, (field) => (file.definition = asBytes(field))],
    [4, (field) => (file.language = asText(field))],
  ]);
  return file;
}

function decodeLocations(bytes: Uint8Array): SourceLocation[] {
  const list: SourceLocation[] = [];
  for (const field of readFields(bytes)) if (field.number === 1) list.push(decodeLocation(asBytes(field)));
  return list;
}

function decodeLocation(bytes: Uint8Array): SourceLocation {
  let file = 0;
  const ranges: SourceRange[] = [];
  for (const field of readFields(bytes)) {
    if (field.number === 1) file = asInt32(field);
    else if (field.number === 2) ranges.push(decodeRange(asBytes(field)));
  }
  return { file, ranges };
}

function decodeRange(bytes: Uint8Array): SourceRange {
  const range: Writable<SourceRange> = { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };
  readInto(bytes, [
    [1, (field) => (range.start = decodePosition(asBytes(field)))],
    [2, (field) => (range.end = decodePosition(asBytes(field)))],
  ]);
  return range;
}

function decodePosition(bytes: Uint8Array): SourcePosition {
  const position: Writable<SourcePosition> = { line: 0, character: 0 };
  readInto(bytes, [
    [1, (field) => (position.line = asInt32(field))],
    [2, (field) => (position.character = asInt32(field))],
  ]);
  return position;
}
