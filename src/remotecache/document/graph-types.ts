import type { RemoteLayer } from "../../record/index.ts";
import type { Time } from "./time.ts";

/** A filesystem a record stands for, as the blobs that stack up to it. */
export interface CacheResult {
  /** Lowest first; at least one. */
  readonly layers: readonly RemoteLayer[];
  readonly createdAt: Time;
}

/** One of the keys that an input of a record may go by. */
export interface CacheLink {
  /** Which part of the input the op sees; empty: all of it, and always so for content keys. */
  readonly selector: string;
  readonly node: CacheNode;
}

/** One record of a cache: a key, and what was made under it. */
export interface CacheNode {
  /** `H(op digest "@" output)`; any text, since documents are not held to that. */
  readonly digest: string;
  /** For each input of the op its alternatives, at least one. None: a root. */
  readonly inputs: readonly (readonly CacheLink[])[];
  /** Newest first; then by the digests of their layers. */
  readonly results: readonly CacheResult[];
  /** What people call the step, as far as a writer said so: of several names the one that sorts first. */
  readonly name?: string | undefined;
}
