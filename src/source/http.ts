import { createHash } from "node:crypto";
import { sourceTables } from "./schema.ts";
import { type Digest, VarveError, isDigest, isVarveError, redact } from "../core/index.ts";
import { type ContentStore, isLostBlob } from "../content/index.ts";
import { type Bytes, SingleFlight, bytesOf, limited } from "../io/index.ts";
import type { Hold, RecordId, Records } from "../record/index.ts";
import { type OpenPgpRequest, verifyOpenPgp } from "../signature/index.ts";
import type { Database } from "../state/index.ts";
import type { FetchOptions } from "./fetch-url.ts";
import { httpFileName, isFileName } from "./http-name.ts";
import { fileRecord } from "./single-file.ts";
import { type HttpHeaders, downloadError, httpDate, isUnchanged, requestUrl } from "./http-request.ts";

/** A file to download: the attributes of BuildKit's HTTP source. */
export interface DownloadRequest {
  readonly url: string;
  readonly filename?: string | undefined;
  /** The expected digest of the body. With it, `resolve` needs no request. */
  readonly checksum?: Digest | undefined;
  /** Permission bits. Defaults to 0600. */
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Headers to send, such as `authorization` and `accept`. */
  readonly headers?: HttpHeaders | undefined;
}

/** A request whose digest is known. The body may not be in the store. */
export interface ResolvedHttp {
  readonly request: DownloadRequest;
  readonly filename: string;
  readonly checksum: Digest;
  /** As sent by the server. Undefined if no request was made. */
  readonly lastModified: string | undefined;
}

/** A digest of a file with something after it. */
export interface ChecksumRequest {
  readonly algorithm: "sha256" | "sha384" | "sha512";
  /** At most 4 KiB. */
  readonly suffix: Uint8Array;
}

/** Maximum size of a suffix, in bytes. */
const MAX_SUFFIX = 4096;

/** Maximum size of a download, in bytes. */
const MAX_BODY = 64 * 1024 ** 3;

/** What a server's response says about a URL. */
interface UrlState {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly digest: Digest;
  readonly filename: string;
}

export interface HttpDeps {
  readonly content: ContentStore;
  readonly records: Records;
  readonly state: Database;
  /** Maximum size of a body, in bytes. Defaults to 64 GiB. */
  readonly limit?: number | undefined;
  /** Returns the bytes that the build's client uploads under a URL; undefined for other URLs. Default: it uploads nothing. */
  readonly upload?: ((url: string) => AsyncIterable<Uint8Array> | undefined) | undefined;
  /** Time-outs for servers that send nothing; see `FetchOptions`. */
  readonly quiet?: Pick<FetchOptions, "idle" | "notice"> | undefined;
}

/**
 * Downloads files over HTTP. If a server has sent an ETag before, the request asks only whether the file has changed. Create one
 * source per build: within it, a URL is requested once and always means the same bytes.
 *
 * @example
 * const http = new HttpSource({ content, records, state });
 * const resolved = await http.resolve({ url: "https://example.org/app.tar.gz", mode: 0o644 }, hold);
 * const record = await http.record(resolved, hold);
 */
export class HttpSource {
  readonly #deps: HttpDeps;
  readonly #states = new Map<string, UrlState>();
  readonly #flights = new SingleFlight<string, UrlState>();

  constructor(deps: HttpDeps) {
    deps.state.install(sourceTables);
    this.#deps = deps;
  }

  /**
   * Returns the digest of the file at a URL. Downloads it unless it is known to be unchanged.
   * @throws {VarveError} `not-found`, `unauthorized`, `remote`; `limit-exceeded` for a large body; `invalid-argument` for a malformed
   * file name; `cancelled`.
   */
  async resolve(request: DownloadRequest, hold: Hold): Promise<ResolvedHttp> {
    const { url, filename = "", checksum } = request;
    if (filename !== "" && !isFileName(filename))
      throw new VarveError("invalid-argument", `Cannot download ${url}: ${JSON.stringify(filename)} is no file name`);
    const {
      digest,
      lastModified,
      filename: ownName,
    } = checksum === undefined
      ? await this.#request(request, hold)
      : { digest: checksum, filename: httpFileName(url, undefined), lastModified: undefined };
    return { request, filename: filename === "" ? ownName : filename, checksum: digest, lastModified };
  }

  /**
   * Returns a record that contains only the file, with the requested owner and mode, and the server's time or 1970. Downloads the
   * file if it is not in the store.
   * @throws {VarveError} `corrupt` if the digest is not the expected one; else as `resolve`.
   */
  async record(http: ResolvedHttp, hold: Hold): Promise<RecordId> {
    const { uid = 0, gid = 0, mode = 0, url } = http.request;
    const file = {
      digest: http.checksum,
      name: http.filename,
      uid,
      gid,
      mode,
      time: http.lastModified === undefined ? 0 : Date.parse(http.lastModified) / 1000,
      description: `http url ${redact(url)}`,
    };
    hold.lease.add("blob", http.checksum);
    try {
      return await fileRecord(file, this.#deps, hold);
    } catch (error) {
      if (!isLostBlob(error)) throw error;
    }
    await this.#fetchExpected(http, hold);
    return await fileRecord(file, this.#deps, hold);
  }

  /**
   * Returns the digest of the file followed by `suffix`: what a signature over both is made of. Downloads the file if it is not in
   * the store. Throws as `record`.
   */
  async suffixedDigest(
    http: ResolvedHttp,
    { algorithm, suffix }: ChecksumRequest,
    hold: Hold,
  ): Promise<`${ChecksumRequest["algorithm"]}:${string}`> {
    if (suffix.byteLength > MAX_SUFFIX)
      throw new VarveError("invalid-argument", `http checksum request suffix exceeds max size ${MAX_SUFFIX}`);
    const hash = createHash(algorithm);
    for await (const chunk of await this.open(http, hold)) hash.update(chunk);
    return `${algorithm}:${hash.update(suffix).digest("hex")}`;
  }

  /**
   * Verifies a detached signature of the file. Downloads the file if it is not in the store.
   * @throws {VarveError} `corrupt` if the signature is not by one of the keys; as `record`.
   */
  async verify(http: ResolvedHttp, signature: OpenPgpRequest, hold: Hold): Promise<void> {
    const body = await this.open(http, hold);
    try {
      await verifyOpenPgp(signature, body);
    } catch (error) {
      if (!isVarveError(error, "corrupt") || isLostBlob(error)) throw error;
      throw new VarveError("corrupt", `failed to verify pgp signature: ${error.message}`, { cause: error });
    }
  }

  /** Returns the bytes of the file. Downloads it if it is not in the store. Throws as `record`. */
  async open(http: ResolvedHttp, hold: Hold): Promise<Bytes> {
    const { content } = this.#deps;
    hold.lease.add("blob", http.checksum);
    if ((await content.check(http.checksum, hold)) === undefined) await this.#fetchExpected(http, hold);
    return content.open(http.checksum, { signal: hold.signal });
  }

  async #fetchExpected({ request, checksum }: ResolvedHttp, hold: Hold): Promise<void> {
    const state = await this.#flights.run(
      `${askedKey(request)} ${checksum}`,
      (signal) => this.#download(request, undefined, { ...hold, signal }),
      hold.signal,
    );
    if (state.digest === checksum) return;
    throw new VarveError("corrupt", `Cannot use ${request.url}: digest mismatch ${state.digest}: ${checksum}`, {
      details: { actual: state.digest, expected: checksum },
    });
  }

  async #request(request: DownloadRequest, hold: Hold): Promise<UrlState> {
    const key = askedKey(request);
    const state =
      this.#states.get(key) ??
      (await this.#flights.run(
        key,
        (signal) => this.#download(request, this.#remembered(rememberedKey(request)), { ...hold, signal }),
        hold.signal,
      ));
    this.#states.set(key, state);
    return state;
  }

  /** Requests a URL and stores the body. If the file is unchanged, returns `before`; its body may be missing from the store. */
  async #download(request: DownloadRequest, before: UrlState | undefined, hold: Hold): Promise<UrlState> {
    const { url, headers = {} } = request;
    const uploaded = this.#deps.upload?.(url);
    if (uploaded !== undefined)
      return {
        digest: await this.#keep(url, uploaded, hold),
        filename: httpFileName(url, undefined),
        etag: undefined,
        lastModified: undefined,
      };
    const condition = before?.etag === undefined ? {} : { "if-none-match": before.etag };
    const sent = { "accept-encoding": "gzip", ...headers, ...condition };
    const how = { ...this.#deps.quiet, signal: hold.signal, onWait: hold.onWait };
    if (before?.etag !== undefined && (await isUnchanged(url, sent, before.etag, how))) return before;
    const response = await requestUrl(url, sent, how);
    if (response.status === 304 && before !== undefined) return before;
    return this.#remember(rememberedKey(request), {
      digest: await this.#keep(url, response.body ?? bytesOf(), hold),
      filename: httpFileName(url, response.headers.get("content-disposition") ?? undefined),
      etag: response.headers.get("etag") ?? undefined,
      lastModified: httpDate(response.headers.get("last-modified")),
    });
  }

  async #keep(url: string, bytes: AsyncIterable<Uint8Array>, { lease, signal }: Hold): Promise<Digest> {
    const body = limited(bytes, this.#deps.limit ?? MAX_BODY, { what: url });
    try {
      return (await this.#deps.content.put(body, { lease, signal })).digest;
    } catch (error) {
      throw isVarveError(error) ? error : downloadError(error, url);
    }
  }

  #remembered(key: string): UrlState | undefined {
    const sql = "SELECT etag, last_modified, digest, filename FROM http_source WHERE url = ?";
    const row = this.#deps.state.get(sql, key);
    if (row === undefined) return undefined;
    const text = (key: string): string | undefined => (typeof row[key] === "string" ? row[key] : undefined);
    const digest = text("digest");
    if (!isDigest(digest)) return undefined;
    return {
      etag: text("etag"),
      lastModified: text("last_modified"),
      digest,
      filename: text("filename") ?? "download",
    };
  }

  #remember(key: string, state: UrlState): UrlState {
    this.#deps.state.run(
      "INSERT OR REPLACE INTO http_source (url, etag, last_modified, digest, filename) VALUES (?, ?, ?, ?, ?)",
      key,
      state.etag ?? null,
      state.lastModified ?? null,
      state.digest,
      state.filename,
    );
    return state;
  }
}

/** Names a resource: its URL, and the headers that may change what it is. Credentials may only make it unavailable. */
function resourceKey({ url, headers = {} }: DownloadRequest): string {
  const others = Object.entries(headers).filter(([name]) => name !== "authorization");
  return others.length === 0 ? url : `${url} ${JSON.stringify(others.toSorted(([a], [b]) => (a < b ? -1 : 1)))}`;
}

/** Names what a server said, for later builds: as in BuildKit, only about a request with the same options. */
function rememberedKey(request: DownloadRequest): string {
  const { filename, mode, uid, gid } = request;
  const key = resourceKey(request);
  const options = [filename || undefined, mode, uid, gid];
  return options.every((each) => each === undefined) ? key : `${key} ${JSON.stringify(options)}`;
}

/** Names a request within a build: requests with other credentials do not share a response. */
function askedKey(request: DownloadRequest): string {
  return JSON.stringify([resourceKey(request), request.headers?.["authorization"] ?? ""]);
}
