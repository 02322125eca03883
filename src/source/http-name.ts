const DISPOSITION = /(?:^|;)\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i;
const EXTENDED = /(?:^|;)\s*filename\*\s*=\s*UTF-8'[^']*'([^;\s]+)/i;

/** True if a name is a single path element. */
export function isFileName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255;
}

/** Returns the last element of a path with slashes or backslashes; undefined if it is not a file name. */
function lastElement(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  const base = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  return isFileName(base) ? base : undefined;
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
 * Returns the name of a downloaded file: from Content-Disposition (RFC 6266), else the last element of the requested URL's path,
 * else `download`. A redirect's URL is not used. The name is always a single path element.
 */
export function httpFileName(url: string, disposition: string | undefined): string {
  const extended = decoded(EXTENDED.exec(disposition ?? "")?.[1]);
  const plain = DISPOSITION.exec(disposition ?? "");
  const quoted = plain?.[1]?.replace(/\\(.)/g, "$1") ?? plain?.[2];
  const path = URL.canParse(url) ? new URL(url).pathname.replace(/(?<!\/)\/+$/, "") : "";
  return lastElement(extended) ?? lastElement(quoted) ?? lastElement(decoded(path)) ?? "download";
}
