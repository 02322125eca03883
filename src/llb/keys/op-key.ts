import type { ContentSelector } from "../../contenthash/index.ts";
import type { Digest } from "../../core/index.ts";

/** How an input of an op contributes to the op's cache key. */
export interface InputKey {
  /** The part of the input that the op reads; it qualifies the input's definition key. Absent: the whole input. */
  readonly selector?: Digest | undefined;
  /**
   * The parts of the input whose content makes a content key: the digest of their checksums, in this order. Absent: the input
   * has only a definition key.
   */
  readonly content?: readonly ContentSelector[] | undefined;
  /** True if the op reads files of this input, so that the input must be unpacked before the op runs. */
  readonly preload: boolean;
}

/** The cache key of an op, without the keys of its inputs. */
export interface OpKey {
  /** The op's cache digest. It covers everything that affects the result, except the inputs. */
  readonly digest: Digest;
  readonly inputs: readonly InputKey[];
}
