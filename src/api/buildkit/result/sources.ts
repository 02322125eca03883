import type { Digest } from "../../../core/index.ts";
import type { LineRange } from "../../../dockerfile/index.ts";

/** A file that vertices were compiled from. */
export interface VertexSource {
  readonly filename: string;
  readonly data: Uint8Array;
  /** `Dockerfile`, or empty. */
  readonly language: string;
  /** The definition of the graph that the file was read from, as the client sent it. */
  readonly definition?: Uint8Array | undefined;
}

/** A part of a file. */
export interface SourcePosition {
  readonly source: VertexSource;
  readonly ranges: readonly LineRange[];
}

/** Returns the positions of a vertex; none if they are unknown. */
export type VertexSources = (vertex: Digest) => readonly SourcePosition[];

/** The positions of graphs whose origin is unknown. */
export const NO_SOURCES: VertexSources = () => [];
