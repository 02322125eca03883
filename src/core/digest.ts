import { type Hash, createHash, hash as hashOnce } from "node:crypto";
import type { Digest, DigestAlgorithm } from "./digest-type.ts";
import { VarveError } from "./error.ts";

export type * from "./digest-type.ts";

const SHAPE = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** True for a sha256 or sha512 digest in canonical form. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && SHAPE.test(text);
}

/**
 * Reads a sha256 or sha512 digest in canonical form.
 *
 * @throws {VarveError} `invalid-argument` for any other text.
 */
export function parseDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new VarveError(
    "invalid-argument",
    `Cannot read digest ${JSON.stringify(text.slice(0, 160))}: not sha256:<64 hex> or sha512:<128 hex>`,
  );
}

/** The algorithm of a digest. */
export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith("sha512:") ? "sha512" : "sha256";
}

/** The hexadecimal part of a digest. */
export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(":") + 1);
}

/**
 * Digests bytes, or the UTF-8 encoding of a string.
 *
 * @example
 * digestOf("hello"); // "sha256:2cf24d…"
 */
export function digestOf(data: Uint8Array | string, algorithm: DigestAlgorithm = "sha256"): Digest {
  return `${algorithm}:${hashOnce(algorithm, data, "hex")}`;
}

/** Digests a stream piece by piece. `digest()` ends it. */
export class DigestHasher {
  readonly algorithm: DigestAlgorithm;
  readonly #hash: Hash;
  #size = 0;

  constructor(algorithm: DigestAlgorithm = "sha256") {
    this.algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** Bytes seen so far. */
  get size(): number {
    return this.#size;
  }

  update(data: Uint8Array | string): this {
    this.#hash.update(data);
    this.#size += typeof data === "string" ? Buffer.byteLength(data) : data.byteLength;
    return this;
  }

  digest(): Digest {
    return `${this.algorithm}:${this.#hash.digest("hex")}`;
  }
}

/** chainID over diffIDs, lowest first: c1 = d1, cn = H(c(n-1) + " " + dn). OCI image specification, config.md. */
export function chainId(diffIds: readonly Digest[]): Digest | undefined {
  let chain: Digest | undefined;
  for (const diffId of diffIds) chain = chain === undefined ? diffId : digestOf(`${chain} ${diffId}`);
  return chain;
}
