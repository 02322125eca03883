import type { ContentSelector } from "../../contenthash/index.ts";
import type { Digest } from "../../core/index.ts";

/** How an input of an op enters its cache key. */
export interface InputKey {
  /** Limits the input's definition key to the part the op looks at; absent is all of it. */
  readonly selector?: Digest | undefined;
  /** The input may also be known by the content of these selectors: the digest of their digests, in this order. Absent: only by definition. */
  readonly content?: readonly ContentSelector[] | undefined;
  /** The op reads files of this input, so that it has to be unpacked before the op is run. */
  readonly preload: boolean;
}

export interface OpKey {
  /** The op's cache digest: neither inputs nor anything that does not change the result. */
  readonly digest: Digest;
  readonly inputs: readonly InputKey[];
}
