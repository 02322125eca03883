import { pathOfByteString, type ByteString } from "../linux/index.ts";

/** The text that bytes are the UTF-8 of; what is not UTF-8 becomes U+FFFD. For patterns and messages. */
export function textOf(bytes: ByteString): string {
  return pathOfByteString(bytes).toString();
}
