import { sourceTables } from "./schema.ts";
import { chmod, chown, constants, copyFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, VarveError, isDigest, isVarveError, redact } from "../core/index.ts";
import { type ContentStore, type VerifiedBlob, isLostBlob } from "../content/index.ts";
import { SingleFlight, bytesOf, limited } from "../io/index.ts";
import { type Hold, type RecordId, type Records, SCRATCH } from "../record/index.ts";
import type { Database } from "../state/index.ts";
import type { FetchOptions } from "./fetch-url.ts";
import { httpFileName, isFileName } from "./http-name.ts";
import { type HttpHeaders, downloadError, httpDate, requestUrl } from "./http-request.ts";

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
    const { records } = this.#deps;
    await using body = await this.#body(http, hold);
    await using layer = await records.begin(SCRATCH, { description: `http url ${redact(http.request.url)}` }, hold);
    const path = join(layer.path, http.filename);
    await copyFile(body.path, path, constants.COPYFILE_FICLONE);
    const { uid = 0, gid = 0, mode = 0 } = http.request;
    await chown(path, uid, gid);
    await chmod(path, mode === 0 ? 0o600 : mode);
    const time = http.lastModified === undefined ? 0 : Date.parse(http.lastModified) / 1000;
    await utimes(path, time, time);
    return (await layer.commit()).id;
  }

  /** Opens the verified body. Downloads it first if it is missing or damaged. */
  async #body(http: ResolvedHttp, hold: Hold): Promise<VerifiedBlob> {
    const open = (): Promise<VerifiedBlob> => this.#deps.content.openVerified(http.checksum, hold);
    hold.lease.add("blob", http.checksum);
    try {
      return await open();
    } catch (error) {
      if (!isLostBlob(error)) throw error;
    }
    await this.#fetchExpected(http, hold);
    return await open();
  }

  async #fetchExpected({ request, checksum }: ResolvedHttp, hold: Hold): Promise<void> {
    const state = await this.#flights.run(
      `${request.url} ${checksum}`,
      (signal) => this.#download(request, undefined, { ...hold, signal }),
      hold.signal,
    );
    if (state.digest === checksum) return;
    throw new VarveError("corrupt", `Cannot use ${request.url}: its digest is ${state.digest}, not ${checksum}`);
  }

  async #request(request: DownloadRequest, hold: Hold): Promise<UrlState> {
    const { url } = request;
    const state =
      this.#states.get(url) ??
      (await this.#flights.run(
        url,
        (signal) => this.#download(request, this.#remembered(url), { ...hold, signal }),
        hold.signal,
      ));
    this.#states.set(url, state);
    return state;
  }

  /** Requests a URL and stores the body. If the file is unchanged, returns `before`; its body may be missing from the store. */
  async #download(request: DownloadRequest, before: UrlState | undefined, hold: Hold): Promise<UrlState> {
    const { url, headers = {} } = request;
    const condition = before?.etag === undefined ? {} : { "if-none-match": before.etag };
    const response = await requestUrl(
      url,
      { ...headers, ...condition },
      { ...this.#deps.quiet, signal: hold.signal, onWait: hold.onWait },
    );
    if (response.status === 304 && before !== undefined) return before;
    return this.#remember(url, {
      digest: await this.#keep(url, response, hold),
      filename: httpFileName(url, response.headers.get("content-disposition") ?? undefined),
      etag: response.headers.get("etag") ?? undefined,
      lastModified: httpDate(response.headers.get("last-modified")),
    });
  }

  async #keep(url: string, response: Response, { lease, signal }: Hold): Promise<Digest> {
    const body = limited(response.body ?? bytesOf(), this.#deps.limit ?? MAX_BODY, { what: url });
    try {
      return (await this.#deps.content.put(body, { lease, signal })).digest;
    } catch (error) {
      throw isVarveError(error) ? error : downloadError(error, url);
    }
  }

  #remembered(url: string): UrlState | undefined {
    const sql = "SELECT etag, last_modified, digest, filename FROM http_source WHERE url = ?";
    const row = this.#deps.state.get(sql, url);
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

  #remember(url: string, state: UrlState): UrlState {
    this.#deps.state.run(
      "INSERT OR REPLACE INTO http_source (url, etag, last_modified, digest, filename) VALUES (?, ?, ?, ?, ?)",
      url,
      state.etag ?? null,
      state.lastModified ?? null,
      state.digest,
      state.filename,
    );
    return state;
  }
}
