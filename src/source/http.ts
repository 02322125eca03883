import { sourceTables } from "./schema.ts";
import { chmod, chown, constants, copyFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, VarveError, isVarveError, redact } from "../core/index.ts";
import { type ContentStore, type VerifiedBlob, isLostBlob } from "../content/index.ts";
import { type Bytes, SingleFlight, limited } from "../io/index.ts";
import { type Hold, type RecordId, type Records, SCRATCH } from "../record/index.ts";
import type { Database } from "../state/index.ts";
import type { FetchOptions } from "./fetch-url.ts";
import { httpFileName, isFileName } from "./http-name.ts";
import { type HttpHeaders, downloadError, httpDate, requestUrl } from "./http-request.ts";

/** A file at a URL: the attributes of BuildKit's HTTP source. */
export interface DownloadRequest {
  readonly url: string;
  readonly filename?: string | undefined;
  /** The body's digest, if the author of the build knows it: then no request is needed for the key. */
  readonly checksum?: Digest | undefined;
  /** Permission bits; 0600 unless said. */
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Sent with the request: `authorization`, `accept`, … */
  readonly headers?: HttpHeaders | undefined;
}

/** What a request stands for, whether or not its body is here. */
export interface ResolvedHttp {
  readonly request: DownloadRequest;
  readonly filename: string;
  readonly checksum: Digest;
  /** As the server sent it; absent when no request was made. */
  readonly lastModified: string | undefined;
}

/** A download may not be larger, in bytes. */
const MAX_BODY = 64 * 1024 ** 3;

/** What a server said of a URL. */
interface Answer {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly digest: Digest;
  readonly filename: string;
}

export interface HttpDeps {
  readonly content: ContentStore;
  readonly records: Records;
  readonly state: Database;
  /** The most a body may have, in bytes; 64 GiB unless said. */
  readonly limit?: number | undefined;
  /** How long a server may be quiet, and when that is first told of; see `FetchOptions`. */
  readonly quiet?: Pick<FetchOptions, "idle" | "notice"> | undefined;
}

/**
 * Downloads files over HTTP, asking the server only whether they have changed where it gave an ETag before. One source serves
 * one build: a URL is asked for once, and means the same bytes from the build's beginning to its end.
 */
export class HttpSource {
  readonly #deps: HttpDeps;
  readonly #answers = new Map<string, Answer>();
  readonly #flights = new SingleFlight<string, Answer>();

  constructor(deps: HttpDeps) {
    deps.state.install(sourceTables);
    this.#deps = deps;
  }

  /** Finds out what is at the URL, downloading it unless it is known to be unchanged. */
  async resolve(request: DownloadRequest, hold: Hold): Promise<ResolvedHttp> {
    const { url, filename = "", checksum } = request;
    if (filename !== "" && !isFileName(filename))
      throw new VarveError("invalid-argument", `Cannot download ${url}: ${JSON.stringify(filename)} is no file name`);
    const { digest, lastModified, ...answer } =
      checksum === undefined
        ? await this.#ask(request, hold)
        : { digest: checksum, filename: httpFileName(url, undefined), lastModified: undefined };
    return { request, filename: filename === "" ? answer.filename : filename, checksum: digest, lastModified };
  }

  /** A record with the file alone: owner and mode as asked for, time from the server or 1970. */
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

  /** What was downloaded, verified; downloaded now if it is not here, or not what it was. */
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
    const answer = await this.#flights.run(
      `${request.url} ${checksum}`,
      (signal) => this.#download(request, undefined, { ...hold, signal }),
      hold.signal,
    );
    if (answer.digest === checksum) return;
    throw new VarveError("corrupt", `Cannot use ${request.url}: its digest is ${answer.digest}, not ${checksum}`);
  }

  async #ask(request: DownloadRequest, hold: Hold): Promise<Answer> {
    const { url } = request;
    const answer =
      this.#answers.get(url) ??
      (await this.#flights.run(
        url,
        (signal) => this.#download(request, this.#remembered(url), { ...hold, signal }),
        hold.signal,
      ));
    this.#answers.set(url, answer);
    return answer;
  }

  /** An unchanged file is known by its digest; its bytes may be gone, and are then fetched when they are needed. */
  async #download(request: DownloadRequest, before: Answer | undefined, hold: Hold): Promise<Answer> {
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
    const body = limited((response.body ?? []) as Bytes, this.#deps.limit ?? MAX_BODY, { what: url });
    try {
      return (await this.#deps.content.put(body, { lease, signal })).digest;
    } catch (error) {
      throw isVarveError(error) ? error : downloadError(error, url);
    }
  }

  #remembered(url: string): Answer | undefined {
    const sql = "SELECT etag, last_modified, digest, filename FROM http_source WHERE url = ?";
    const row = this.#deps.state.get(sql, url);
    if (row === undefined) return undefined;
    const text = (key: string): string | undefined => (typeof row[key] === "string" ? row[key] : undefined);
    return {
      etag: text("etag"),
      lastModified: text("last_modified"),
      digest: text("digest") as Digest,
      filename: text("filename") ?? "download",
    };
  }

  #remember(url: string, answer: Answer): Answer {
    this.#deps.state.run(
      "INSERT OR REPLACE INTO http_source (url, etag, last_modified, digest, filename) VALUES (?, ?, ?, ?, ?)",
      url,
      answer.etag ?? null,
      answer.lastModified ?? null,
      answer.digest,
      answer.filename,
    );
    return answer;
  }
}
