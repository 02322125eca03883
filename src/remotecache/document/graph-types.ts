import type { RemoteLayer } from "../../record/index.ts";
import type { CacheNote } from "./notes.ts";
import type { Time } from "./time.ts";

/** A result of a record: a filesystem as a list of layers. */
export interface CacheResult {
  /** Lowest first; at least one. */
  readonly layers: readonly RemoteLayer[];
  readonly createdAt: Time;
}

/** One of the alternative keys of an input of a record. */
export interface CacheLink {
  /** The part of the input that the op reads. Empty: the whole input; always empty for content keys. */
  readonly selector: string;
  readonly node: CacheNode;
}

/** One record of a cache: a key and its results. */
export interface CacheNode {
  /** The record digest, `sha256("<op digest>@<output>")`. Documents may contain any string here. */
  readonly digest: string;
  /** The alternatives of each input of the op, at least one. No inputs: a root. */
  readonly inputs: readonly (readonly CacheLink[])[];
  /** Newest first, then sorted by the digests of their layers. */
  readonly results: readonly CacheResult[];
  /** The name of the step, if a writer gave one. If there are several, the smallest one. */
  readonly name?: string | undefined;
  /** If there are several, the same one of them is chosen always. */
  readonly note?: CacheNote | undefined;
}

/** What a graph knows of a record besides its key and its results. */
export type NodeFacts = Pick<CacheNode, "name" | "note">;
