/** `<algorithm>:<lower-case hex>`, as in the OCI image specification, descriptor.md. Made by `parseDigest`, `isDigest` and the hashers only. */
export type Digest = `${DigestAlgorithm}:${string}`;
export type DigestAlgorithm = "sha256" | "sha512";
