import type { Descriptor, Digest } from "../../core/index.ts";
import type { Bytes, OnWait } from "../../io/index.ts";
import type { RemoteLayer } from "../../record/index.ts";
import type { DocumentForm } from "../document/container.ts";
import type { ReleasedBlob } from "../document/released.ts";
import type { Composed } from "./compose.ts";
import type { ExistingDocument } from "./existing-document.ts";
import type { CollectionTimes } from "./release.ts";

/** Options of every request. */
export interface PlaceRequest {
  readonly signal?: AbortSignal | undefined;
  readonly onWait?: OnWait | undefined;
}

/** The document in a place, and its version, which changes with every write. Undefined: there is no document. */
export interface VersionedDocument extends ExistingDocument {
  readonly version: string | undefined;
}

/** The outcome of a write. */
export type Published =
  /** `isFinal`: no other writer can have overwritten the version that was read. Otherwise the writer must look again. */
  | { readonly kind: "written"; readonly version: string | undefined; readonly isFinal: boolean }
  /** Another process has written meanwhile. */
  | { readonly kind: "conflict" }
  /** The document was rejected, possibly because layers that it needs are missing. */
  | { readonly kind: "rejected"; readonly error: unknown };

/** A place with one cache document and the layers that it needs: a tag of a registry, or an object of an object store. */
export interface DocumentPlace {
  /** Shown to users. */
  readonly name: string;
  readonly form: DocumentForm;
  /**
   * `document`: layers exist as long as a document needs them. `own`: they may be removed by themselves, as by a rule of a bucket,
   * so that every export looks after all its layers.
   */
  readonly layersLive: "document" | "own";
  /** Minimum time after a write until the writer looks again, in milliseconds. */
  readonly settles: number;
  /** Returns the version of the document that is there now. */
  version(request: PlaceRequest): Promise<string | undefined>;
  /** Reads the document. If `isKnown` returns true for its digest, its contents are not read. */
  existing(request: PlaceRequest, isKnown: (digest: Digest) => boolean): Promise<VersionedDocument>;
  /** Writes a layer unless it is there. */
  pushLayer(layer: RemoteLayer, open: (offset: number) => Bytes, request: PlaceRequest): Promise<void>;
  hasLayer(layer: Pick<Descriptor, "digest">, request: PlaceRequest): Promise<boolean>;
  /**
   * Removes blobs that the document has released, unless another document needs them. `grace` is in milliseconds: blobs that were written
   * later stay, because another writer may be about to need them. Absent: the place cannot remove blobs.
   */
  readonly collect?: (
    released: readonly ReleasedBlob[],
    times: CollectionTimes,
    request: PlaceRequest,
  ) => Promise<void>;
  /**
   * Writes what belongs to a document besides its layers. It is called before `publish`, while layers are being written. Absent: the
   * place does that when it publishes.
   */
  readonly prepare?: (document: Composed, request: PlaceRequest) => Promise<void>;
  /** Writes a document, if the version is still `before`. */
  publish(document: Composed, before: string | undefined, request: PlaceRequest): Promise<Published>;
}
