/** Percent-encodes a text as signatures of requests demand: everything but letters, digits, `-`, `.`, `_` and `~`. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

/** Encodes a key for the path of a URL. Slashes stay. */
export function encodeKey(key: string): string {
  return key.split("/").map(encode).join("/");
}

/** Encodes parameters for the query of a URL, sorted by name. */
export function encodeQuery(parameters: Readonly<Record<string, string>>): string {
  const encoded = Object.entries(parameters).map(([name, value]) => [encode(name), encode(value)] as const);
  return encoded
    .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
    .map(([name, value]) => `${name}=${value}`)
    .join("&");
}
