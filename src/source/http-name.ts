const DISPOSITION = /(?:^|;)\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i;
const EXTENDED = /(?:^|;)\s*filename\*\s*=\s*UTF-8'[^']*'([^;\s]+)/i;

/** Whether a name is one path element and nothing else. */
export function isFileName(name: string): boolean {
  return name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name) && Buffer.byteLength(name) <= 255;
}

/** The last element of what may be a path of any system; undefined if that is no name. */
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
 * The name a downloaded file gets: from Content-Disposition (RFC 6266), else the last element of the path of the URL that was
 * asked for, whatever it redirects to, else `download`. Never a path that leads elsewhere.
 */
export function httpFileName(url: string, disposition: string | undefined): string {
  const extended = decoded(EXTENDED.exec(disposition ?? "")?.[1]);
  const plain = DISPOSITION.exec(disposition ?? "");
  const quoted = plain?.[1]?.replace(/\\(.)/g, "$1") ?? plain?.[2];
  const path = URL.canParse(url) ? new URL(url).pathname.replace(/(?<!\/)\/+$/, "") : "";
  return lastElement(extended) ?? lastElement(quoted) ?? lastElement(decoded(path)) ?? "download";
}
