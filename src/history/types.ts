import type { Descriptor } from "../core/index.ts";

/** What a build was asked for. */
export interface BuildRequest {
  /** The build's id, which its client chose. */
  readonly ref: string;
  /** `dockerfile.v0`; empty if the client sent a graph, or compiled the Dockerfile itself. */
  readonly frontend: string;
  /** The attributes of the front end, such as `target` and `build-arg:X`. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly exporters: readonly BuildExporter[];
}

export interface BuildExporter {
  readonly type: string;
  readonly attributes: ReadonlyMap<string, string>;
}

export interface BuildError {
  readonly message: string;
  /** The status code of gRPC that the client got. */
  readonly status: number;
}

export interface BuildSteps {
  readonly total: number;
  readonly cached: number;
  readonly completed: number;
}

/** Blobs that belong to one result of a build. */
export interface BuildResultBlobs {
  readonly attestations: readonly Descriptor[];
  /** What the exporters wrote, by their index in the request. */
  readonly exports: ReadonlyMap<number, Descriptor>;
}

/** A build that runs or has ended. Times are milliseconds since 1970. */
export interface BuildRecord extends BuildRequest {
  readonly createdAt: number;
  /** Absent while the build runs. */
  readonly completedAt?: number | undefined;
  readonly error?: BuildError | undefined;
  /** The error with its details, as a blob. */
  readonly externalError?: Descriptor | undefined;
  /** The metadata of the front end's result. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly logs?: Descriptor | undefined;
  readonly trace?: Descriptor | undefined;
  /** Blobs of a single result, and what exporters wrote. */
  readonly result?: BuildResultBlobs | undefined;
  /** Blobs of the results of a build for several platforms, by the platform's id. */
  readonly results: ReadonlyMap<string, BuildResultBlobs>;
  readonly steps: BuildSteps;
  readonly warnings: number;
  readonly isPinned: boolean;
  /** The number of changes since the build ended. */
  readonly generation: number;
}

/** A blob to store in the history. */
export interface BlobContent {
  readonly mediaType: string;
  readonly data: Uint8Array | AsyncIterable<Uint8Array>;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** A document of an image, such as a manifest, of which the history keeps a copy. */
export interface DocumentCopy {
  readonly descriptor: Descriptor;
  readonly data: Uint8Array;
}

export interface ExportedBlobs {
  readonly descriptor: Descriptor;
  /** The documents that the descriptor leads to, itself first. See `imageDocuments`. */
  readonly documents: readonly DocumentCopy[];
}

export interface ResultContents {
  readonly attestations?: readonly BlobContent[] | undefined;
  readonly exports?: ReadonlyMap<number, ExportedBlobs> | undefined;
}

/** How a build has ended. */
export interface BuildOutcome {
  readonly error?: BuildError | undefined;
  readonly externalError?: BlobContent | undefined;
  readonly metadata?: ReadonlyMap<string, string> | undefined;
  readonly logs?: BlobContent | undefined;
  readonly trace?: BlobContent | undefined;
  readonly result?: ResultContents | undefined;
  readonly results?: ReadonlyMap<string, ResultContents> | undefined;
  readonly steps: BuildSteps;
  readonly warnings: number;
}

export type HistoryEvent =
  | { readonly kind: "started" | "completed"; readonly record: BuildRecord }
  | { readonly kind: "deleted"; readonly ref: string };

/** Which builds to list. */
export interface HistoryQuery {
  readonly ref?: string | undefined;
  /** See `parseHistoryFilters`. Running builds are not filtered. */
  readonly filters?: readonly string[] | undefined;
  /** Maximum number of builds that have ended; the newest come first. 0 means no limit. */
  readonly limit?: number | undefined;
}

export interface ListenRequest extends HistoryQuery {
  /** Leave out the builds that have ended already. */
  readonly activeOnly?: boolean | undefined;
  /** End after what is known now. */
  readonly earlyExit?: boolean | undefined;
}

/** Builds are deleted when they are beyond both limits. Pinned builds stay. */
export interface HistoryLimits {
  readonly maxEntries: number;
  /** Milliseconds since the build ended. */
  readonly maxAge: number;
}
