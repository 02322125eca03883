import { VarveError, isDigest, isVarveError, wholeSeconds } from "../../core/index.ts";
import { isLostBlob } from "../../content/index.ts";
import type { Bytes } from "../../io/index.ts";
import { readArchive } from "../../layer/index.ts";
import { httpKey } from "../../llb/index.ts";
import type { Hold } from "../../record/index.ts";
import type { DownloadRequest, ResolvedHttp } from "../../source/index.ts";
import { type Attributes, integer } from "./attributes.ts";
import type { OpDeps } from "./deps.ts";
import { recordResult } from "./result.ts";
import type { Source } from "./source-types.ts";

const HEADER = "http.header.";
/** The headers that a client may set, and their names in keys. */
const HEADERS: ReadonlyMap<string, string> = new Map([
  ["accept", "Accept"],
  ["user-agent", "User-Agent"],
]);

/** Returns the source of a file at a URL. Its key has the digest, name, mode, owner and time of the file. */
export function httpSource(url: string, attrs: Attributes, deps: OpDeps): Source {
  const base = requestOf(url, attrs);
  const request = async (): Promise<DownloadRequest> => await httpRequest(url, attrs, deps);
  return {
    keys: async (hold) => {
      const { filename, checksum, lastModified } = await resolveHttp(url, attrs, deps, hold);
      const { mode: perm = 0, uid = 0, gid = 0, headers: own = {} } = base;
      const headers = new Map(Object.entries(own).map(([name, value]) => [HEADERS.get(name) ?? name, value]));
      const authHeaderSecret = attrs.get("http.authheadersecret");
      return [httpKey({ filename, perm, uid, gid, checksum, lastModified, authHeaderSecret, headers })];
    },
    result: async (hold) => {
      const resolved = await deps.http.resolve(await request(), hold);
      return recordResult(await deps.http.record(resolved, hold));
    },
  };
}

/**
 * Returns what a URL is, after verifying the signature that the attributes may ask for.
 *
 * @throws {VarveError} As `HttpSource.resolve` and `HttpSource.verify`; `invalid-argument` for a malformed attribute.
 */
export async function resolveHttp(
  url: string,
  attrs: Attributes,
  deps: Pick<OpDeps, "client" | "http">,
  hold: Hold,
): Promise<ResolvedHttp> {
  const signature = signatureOf(attrs);
  const resolved = await deps.http.resolve(await httpRequest(url, attrs, deps), hold);
  if (signature !== undefined) await deps.http.verify(resolved, signature, hold);
  return resolved;
}

/**
 * Returns the time of a download in seconds since 1970: what the server says, else that of the newest file in the archive that it is.
 * Returns undefined if there is neither. Throws as `resolveHttp` and `HttpSource.open`.
 */
export async function httpTime(
  url: string,
  attrs: Attributes,
  deps: Pick<OpDeps, "client" | "http">,
  hold: Hold,
): Promise<number | undefined> {
  const resolved = await resolveHttp(url, attrs, deps, hold);
  if (resolved.lastModified !== undefined) return Math.floor(Date.parse(resolved.lastModified) / 1000);
  const newest = await newestFile(await deps.http.open(resolved, hold), url);
  return newest === undefined ? undefined : Number(wholeSeconds(newest));
}

/** Returns the time of the newest regular file of an archive in nanoseconds; undefined for what is no whole archive. */
async function newestFile(bytes: Bytes, what: string): Promise<bigint | undefined> {
  let newest: bigint | undefined;
  try {
    for await (const { type, mtime } of readArchive(bytes, { what }))
      if (type === "file" && (newest === undefined || mtime > newest)) newest = mtime;
    return newest;
  } catch (error) {
    if (isVarveError(error, "corrupt", "limit-exceeded") && !isLostBlob(error)) return undefined;
    throw error;
  }
}

function signatureOf(attrs: Attributes): { readonly keys: Uint8Array; readonly signature: Uint8Array } | undefined {
  const [keys, signature] = [attrs.get("http.sig.pubkey"), attrs.get("http.sig.signature")];
  if (keys === undefined && signature === undefined) return undefined;
  if ((keys ?? "") === "" || (signature ?? "") === "")
    throw new VarveError("invalid-argument", "http signature verification requires both pubkey and signature");
  return { keys: Buffer.from(keys ?? ""), signature: Buffer.from(signature ?? "") };
}

/**
 * Returns the request of a download, with the client's credentials for its host.
 *
 * @throws {VarveError} `invalid-argument` for a malformed attribute; as the client's `secret`.
 */
async function httpRequest(url: string, attrs: Attributes, deps: Pick<OpDeps, "client">): Promise<DownloadRequest> {
  const base = requestOf(url, attrs);
  return { ...base, headers: { ...base.headers, ...(await authorization(url, attrs, deps)) } };
}

function requestOf(url: string, attrs: Attributes): DownloadRequest {
  const checksum = attrs.get("http.checksum");
  if (checksum !== undefined && !isDigest(checksum))
    throw new VarveError("invalid-argument", `Cannot download ${url}: ${checksum} is not a digest`);
  const filename = attrs.get("http.filename");
  const headers = [...attrs]
    .filter(([key]) => key.startsWith(HEADER))
    .map(([key, value]): [string, string] => [key.slice(HEADER.length).toLowerCase(), value])
    .filter(([name]) => HEADERS.has(name));
  return {
    url,
    mode: integer(attrs, "http.perm"),
    uid: integer(attrs, "http.uid"),
    gid: integer(attrs, "http.gid"),
    headers: Object.fromEntries(headers),
    filename,
    checksum,
  };
}

/** Returns the credential for a host: the secret that the source names, else `HTTP_AUTH_HEADER_<host>` or `HTTP_AUTH_TOKEN_<host>`. */
async function authorization(
  url: string,
  attrs: Attributes,
  deps: Pick<OpDeps, "client">,
): Promise<{ readonly authorization?: string }> {
  const named = attrs.get("http.authheadersecret");
  const host = URL.canParse(url) ? new URL(url).hostname : "";
  const header = await deps.client.secret(named ?? `HTTP_AUTH_HEADER_${host}`, named === undefined);
  if (header !== undefined) return { authorization: Buffer.from(header).toString().trim() };
  const token = await deps.client.secret(`HTTP_AUTH_TOKEN_${host}`, true);
  return token === undefined ? {} : { authorization: `Bearer ${Buffer.from(token).toString().trim()}` };
}
