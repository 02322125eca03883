import { pathOfByteString, type ByteString } from "../linux/index.ts";

/** Decodes a byte string as UTF-8, for patterns and messages. Invalid UTF-8 becomes U+FFFD. */
export function utf8Of(bytes: ByteString): string {
  return pathOfByteString(bytes).toString();
}
