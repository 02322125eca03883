import { VarveError, isDigest } from "../../core/index.ts";
import { httpKey } from "../../llb/index.ts";
import type { DownloadRequest } from "../../source/index.ts";
import type { OpDeps } from "./deps.ts";
import { recordResult } from "./result.ts";
import type { Source } from "./source-types.ts";

const HEADER = "http.header.";

/** Returns the source of a file at a URL. Its key has the digest, name, mode, owner and time of the file. */
export function httpSource(url: string, attrs: ReadonlyMap<string, string>, deps: OpDeps): Source {
  const base = requestOf(url, attrs);
  const request = async (): Promise<DownloadRequest> => ({
    ...base,
    headers: { ...base.headers, ...(await authorization(url, attrs, deps)) },
  });
  return {
    keys: async (hold) => {
      const { filename, checksum, lastModified } = await deps.http.resolve(await request(), hold);
      const { mode: perm = 0, uid = 0, gid = 0 } = base;
      const key = { filename, perm, uid, gid, checksum };
      return [httpKey(lastModified === undefined ? key : { ...key, lastModified })];
    },
    result: async (hold) => {
      const resolved = await deps.http.resolve(await request(), hold);
      return recordResult(await deps.http.record(resolved, hold));
    },
    time: async (hold) => {
      const { lastModified } = await deps.http.resolve(await request(), hold);
      return lastModified === undefined ? undefined : Math.floor(Date.parse(lastModified) / 1000);
    },
  };
}

function requestOf(url: string, attrs: ReadonlyMap<string, string>): DownloadRequest {
  const checksum = attrs.get("http.checksum");
  if (checksum !== undefined && !isDigest(checksum))
    throw new VarveError("invalid-argument", `Cannot download ${url}: ${checksum} is not a digest`);
  const filename = attrs.get("http.filename");
  const headers = [...attrs].filter(([key]) => key.startsWith(HEADER));
  return {
    url,
    mode: integer(attrs, "http.perm"),
    uid: integer(attrs, "http.uid"),
    gid: integer(attrs, "http.gid"),
    headers: Object.fromEntries(headers.map(([key, value]) => [key.slice(HEADER.length), value])),
    filename,
    checksum,
  };
}

/** Parses a number as Go does: a leading 0 means octal. Returns 0 if the attribute is not set. */
function integer(attrs: ReadonlyMap<string, string>, key: string): number {
  const text = attrs.get(key) ?? "0";
  if (!/^(?:0[0-7]*|[1-9]\d{0,9})$/.test(text))
    throw new VarveError("invalid-argument", `Cannot read ${key}: ${JSON.stringify(text)} is not a number`);
  return parseInt(text, text.startsWith("0") ? 8 : 10);
}

/** Returns the credential for a host: the secret that the source names, else `HTTP_AUTH_HEADER_<host>` or `HTTP_AUTH_TOKEN_<host>`. */
async function authorization(
  url: string,
  attrs: ReadonlyMap<string, string>,
  deps: OpDeps,
): Promise<{ readonly authorization?: string }> {
  const named = attrs.get("http.authheadersecret");
  const host = URL.canParse(url) ? new URL(url).hostname : "";
  const header = await deps.client.secret(named ?? `HTTP_AUTH_HEADER_${host}`, named === undefined);
  if (header !== undefined) return { authorization: Buffer.from(header).toString().trim() };
  const token = await deps.client.secret(`HTTP_AUTH_TOKEN_${host}`, true);
  return token === undefined ? {} : { authorization: `Bearer ${Buffer.from(token).toString().trim()}` };
}
