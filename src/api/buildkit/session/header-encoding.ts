import { Metadata } from "../../../grpc/index.ts";

/** Values by key. Undefined: the key is not sent. */
export type HeaderValues = Readonly<Record<string, readonly string[] | undefined>>;

// oxlint-disable-next-line no-control-regex -- all of ASCII
const ASCII = /^[\x00-\x7f]*$/;

/** Encodes a value as Go's `url.QueryEscape`. */
function queryEscape(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replaceAll("%20", "+")
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

/**
 * Returns metadata for texts that may contain any character. If a value of a key is not ASCII, all values of the key are encoded, and a
 * second key says so. Other values are sent as they are, even if they look encoded.
 */
export function encodeHeaders(values: HeaderValues): Metadata {
  const metadata = new Metadata();
  for (const [key, texts = []] of Object.entries(values)) {
    const isEncoded = texts.some((text) => !ASCII.test(text));
    for (const text of texts) metadata.append(key, isEncoded ? queryEscape(text) : text);
    if (isEncoded) metadata.append(`${key}-encoded`, "1");
  }
  return metadata;
}
