import type { Descriptor, Digest, Platform, Reference } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import type { Hold, LayerBlob, RecordId, Records } from "../record/index.ts";
import type { OnTransfer, Registry } from "../registry/index.ts";

/** The result of a build for one platform. */
export interface ExportPlatform {
  readonly platform: Platform;
  readonly record: RecordId;
  /** An image config as JSON. Defaults to a config with only the platform. */
  readonly config?: Uint8Array | undefined;
  /** The base image's config as JSON. Its layers and its part of the history keep their times. */
  readonly base?: Uint8Array | undefined;
  /** In the order of the attestation manifest. */
  readonly attestations?: readonly Attestation[] | undefined;
  /** What SBOMs describe besides the result, by name, if no generator has described it. Exporters make no use of it. */
  readonly scans?: ReadonlyMap<string, RecordId> | undefined;
}

/** What an attestation is about. */
export interface AttestationSubject {
  readonly name: string;
  /** Hexadecimal digests by algorithm. */
  readonly digest: Readonly<Record<string, string>>;
}

/** A subject that an attestation names. */
export type StatementSubject =
  /** What the output is: an image by its names, or all regular files. With a name, also by this name. */
  { readonly kind: "result"; readonly name?: string | undefined } | ({ readonly kind: "raw" } & AttestationSubject);

/** Where the predicate of an attestation is. */
export type AttestationContent =
  /** Returns the predicate as JSON. It is called for each output, when the layers of the output exist. */
  | { readonly kind: "predicate"; readonly make: () => Promise<Uint8Array> }
  /** A file with the predicate as JSON. */
  | { readonly kind: "file"; readonly record: RecordId; readonly path: string }
  /** A directory of files that are whole statements. */
  | { readonly kind: "bundle"; readonly record: RecordId; readonly path: string };

/** A statement about the result of a platform, such as its provenance. */
export interface Attestation {
  /** For a bundle: the type of all its statements; empty if they may have any. */
  readonly predicateType: string;
  readonly content: AttestationContent;
  /** Name of its file in outputs of files. Files of a bundle keep their names. */
  readonly fileName: string;
  /** Do not write it to outputs of files, and do not make an archive of one image an index for it. */
  readonly inlineOnly: boolean;
  /** The name without extension of the file that describes the result itself. It comes first. */
  readonly coreName?: string | undefined;
  /** Default: the result. */
  readonly subjects?: readonly StatementSubject[] | undefined;
}

/** The result of a build: what an exporter exports. */
export interface ExportSource {
  /** Contains at least one element. */
  readonly platforms: readonly ExportPlatform[];
  /** True if several platforms were requested: the output is then an index, or one folder per platform. */
  readonly multi: boolean;
  /** The names that the build was given, with tags. */
  readonly names: readonly Reference[];
  /** Annotations by the attributes for them, such as `annotation-index.KEY`. Those of an output come after them. */
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** The build's SOURCE_DATE_EPOCH, in seconds since 1970. */
  readonly epoch: number | undefined;
}

/** Names images that are kept in the store. */
export interface ImageNames {
  /** Gives an image a normalised name. The result is awaited. */
  tag(name: string, image: Descriptor): unknown;
}

/** The stores and callbacks that exporters use. */
export interface ExportDeps {
  readonly content: ContentStore;
  readonly records: Records;
  readonly images: ImageNames;
  /** Called only when something is pushed. */
  readonly registry: () => Promise<Registry>;
  /** Keeps what the export makes until the caller has stored the result. */
  readonly hold: Hold;
  /** Runs and times a part of the work. Progress displays show it as one line. */
  readonly part: <T>(id: string, work: () => Promise<T>) => Promise<T>;
  readonly warn: (message: string) => void;
  readonly onTransfer: OnTransfer;
  /** Called with the bytes that a part of the work has sent to a client so far. `id` is that of `part`. */
  readonly onSent?: ((id: string, bytes: number) => void) | undefined;
  /** Returns the cache to write into the config of a platform's image. Absent if no inline cache was requested. */
  readonly inlineCache?: InlineCache | undefined;
}

/** `platform` is an index into the source's platforms. Returns undefined if there is nothing to write. */
export type InlineCache = (platform: number, layers: readonly LayerBlob[]) => Promise<Uint8Array | undefined>;

/** The image that an exporter has written. */
export interface ExportedImage {
  /** Descriptor of the index, or of the only manifest. */
  readonly descriptor: Descriptor;
  /** Undefined for an index. */
  readonly configDigest: Digest | undefined;
  readonly names: readonly string[];
  /** The time of creation in the index of an archive, in seconds since 1970. */
  readonly created?: number | undefined;
}
