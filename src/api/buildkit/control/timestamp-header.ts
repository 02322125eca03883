import { Metadata } from "../../../grpc/index.ts";

/** Returns the header that tells clients the server's time. Their displays of running builds need it. */
export function timestampHeader(): Metadata {
  return Metadata.of([["buildkit-current-timestamp", new Date().toISOString()]]);
}
