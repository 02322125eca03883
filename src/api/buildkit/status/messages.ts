import type { Message } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import type { LineRange } from "../../../dockerfile/index.ts";
import type { Vertex, VertexLog, VertexStatus, VertexWarning } from "../proto/gen/control_pb.ts";
import type { ProgressGroup, SourceInfo } from "../proto/gen/ops_pb.ts";

/** The messages of BuildKit's status stream, as plain objects. Those of `proto/` are created from them when they are encoded. */
type Plain<T extends Message> = Readonly<Omit<T, keyof Message>>;

export type VertexMessage = Plain<Omit<Vertex, "progressGroup"> & Message> & {
  readonly progressGroup?: Plain<ProgressGroup> | undefined;
};

export type VertexStatusMessage = Plain<VertexStatus> & { readonly timestamp: Timestamp };

export type VertexLogMessage = Plain<VertexLog> & { readonly timestamp: Timestamp };

export type VertexWarningMessage = Plain<Omit<VertexWarning, "info" | "ranges"> & Message> & {
  readonly info?: Plain<SourceInfo> | undefined;
  readonly ranges: LineRange[];
};

export interface StatusMessage {
  readonly vertexes: VertexMessage[];
  readonly statuses: VertexStatusMessage[];
  readonly logs: VertexLogMessage[];
  readonly warnings: VertexWarningMessage[];
}
