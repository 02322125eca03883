/** `<algorithm>:<lower-case hex>`, as in the OCI image specification, descriptor.md. Only `parseDigest` and the hashers make one. */
export type Digest = `${DigestAlgorithm}:${string}`;
export type DigestAlgorithm = "sha256" | "sha512";
