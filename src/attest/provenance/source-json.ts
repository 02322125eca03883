import type { Digest, OrderedJson } from "../../core/index.ts";
import { type Edge, omitEmpty } from "../../llb/index.ts";
import { type Step, stepsJson, stepsOf } from "./steps.ts";

/** A file that a graph was compiled from, such as a Dockerfile. */
export interface SourceFile {
  readonly filename: string;
  readonly language: string;
  readonly data: Uint8Array;
  /** The graph that the file was read from. */
  readonly edge?: Edge | undefined;
}

/** A position in a file: lines are counted from 1, characters from 0. */
interface Position {
  readonly line: number;
  readonly character: number;
}

/** The lines of a file that a vertex comes from. */
export interface SourceLocation {
  /** The number of the file. */
  readonly file: number;
  readonly ranges: readonly { readonly start: Position; readonly end: Position }[];
}

/** The files of a graph, and the lines of its vertices. */
export interface SourceFacts {
  readonly files: readonly SourceFile[];
  readonly locationsOf: (vertex: Digest) => readonly SourceLocation[];
}

/** Returns `buildkit_metadata.source`: the files, and the lines of each step. Undefined without files. */
export function sourceJson({ files, locationsOf }: SourceFacts, steps: readonly Step[]): OrderedJson {
  if (files.length === 0) return undefined;
  const locations = steps.flatMap(({ id, vertex }): [string, OrderedJson][] =>
    vertex === undefined ? [] : [[id, locationsJson(locationsOf(vertex))]],
  );
  const sorted = locations.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { locations: sorted.length === 0 ? undefined : new Map(sorted), infos: files.map(fileJson) };
}

function fileJson({ filename, language, data, edge }: SourceFile): OrderedJson {
  return {
    filename: filename || undefined,
    language: language || undefined,
    data: Buffer.from(data).toString("base64") || undefined,
    ...stepsJson(stepsOf(edge)),
  };
}

/** Returns the locations of a vertex as Go prints BuildKit's `pb.Locations`. */
function locationsJson(locations: readonly SourceLocation[]): OrderedJson {
  const position = ({ line, character }: Position): OrderedJson => omitEmpty({ line, character });
  return omitEmpty({
    locations: locations.map(({ file, ranges }) =>
      omitEmpty({
        sourceIndex: file,
        ranges: ranges.map(({ start, end }) => ({ start: position(start), end: position(end) })),
      }),
    ),
  });
}
