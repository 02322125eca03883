import type { Descriptor, Digest, Platform, Reference } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import type { ImageStore } from "../image/index.ts";
import type { Hold, LayerBlob, RecordId, Records } from "../record/index.ts";
import type { OnTransfer, Registry } from "../registry/index.ts";

/** The result of a build for one platform. */
export interface ExportPlatform {
  readonly platform: Platform;
  readonly record: RecordId;
  /** An image config as JSON; without one the image gets a plain one. */
  readonly config?: Uint8Array | undefined;
  /** The config of the image it was built on: its layers and its part of the history keep their times. */
  readonly base?: Uint8Array | undefined;
}

export interface ExportSource {
  /** At least one. */
  readonly platforms: readonly ExportPlatform[];
  /** Several platforms were asked for: an index, a folder for each. */
  readonly multi: boolean;
  /** Names the build was given, with tags. */
  readonly names: readonly Reference[];
  /** Seconds since 1970. */
  readonly epoch: number | undefined;
}

/** What exporters work with. */
export interface ExportDeps {
  readonly content: ContentStore;
  readonly records: Records;
  readonly images: ImageStore;
  /** Opened when something has to go to a registry. */
  readonly registry: () => Promise<Registry>;
  readonly hold: Hold;
  /** Times a part of the work, which shows as one line of progress. */
  readonly part: <T>(id: string, work: () => Promise<T>) => Promise<T>;
  readonly warn: (message: string) => void;
  readonly onTransfer: OnTransfer;
  /** The cache to be written into the config of a platform's image; given where one is wanted. */
  readonly inlineCache?: InlineCache | undefined;
}

/** `platform` is the index of the source's platform. Undefined if there is nothing to write. */
export type InlineCache = (platform: number, layers: readonly LayerBlob[]) => Promise<Uint8Array | undefined>;

export interface ExportedImage {
  /** Of the index, or of the only manifest. */
  readonly descriptor: Descriptor;
  /** Only where there is one manifest. */
  readonly configDigest: Digest | undefined;
  readonly names: readonly string[];
}
