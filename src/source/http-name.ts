const DISPOSITION = /(?:^|;)\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i;
const EXTENDED = /(?:^|;)\s*filename\*\s*=\s*(?:UTF-8|utf-8)''([^;\s]+)/;

/** A name that is one path element and nothing else; undefined for the rest. */
function safeName(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const base = name.slice(Math.max(name.lastIndexOf("/"), name.lastIndexOf("\\")) + 1);
  return base === "" || base === "." || base === ".." || base.includes("\0") || Buffer.byteLength(base) > 255
    ? undefined
    : base;
}

function decoded(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * The name a downloaded file gets: from Content-Disposition (RFC 6266), else the last element of the URL's path, else
 * `download`. Never a path that leads elsewhere.
 */
export function httpFileName(url: string, disposition: string | undefined): string {
  const extended = decoded(EXTENDED.exec(disposition ?? "")?.[1]);
  const plain = DISPOSITION.exec(disposition ?? "");
  const quoted = plain?.[1]?.replace(/\\(.)/g, "$1") ?? plain?.[2];
  const path = URL.canParse(url) ? new URL(url).pathname : "";
  return (
    safeName(extended) ?? safeName(quoted) ?? safeName(decoded(path.slice(path.lastIndexOf("/") + 1))) ?? "download"
  );
}
