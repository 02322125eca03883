import { chmod, chown, constants, copyFile, utimes } from "node:fs/promises";
import { join } from "node:path";
import { type Digest, VarveError, digestOf, toVarveError } from "../core/index.ts";
import type { ContentStore } from "../content/index.ts";
import { type Bytes, limited } from "../io/index.ts";
import { type Hold, type RecordId, type Records, SCRATCH } from "../record/index.ts";
import type { State } from "../state/index.ts";
import { httpFileName } from "./http-name.ts";

/** A file at a URL: the attributes of BuildKit's HTTP source. */
export interface HttpRequest {
  readonly url: string;
  readonly filename?: string;
  /** The body's digest, if the author of the build knows it: then no request is needed for the key. */
  readonly checksum?: Digest;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** What a request stands for, whether or not its body is here. */
export interface ResolvedHttp {
  readonly request: HttpRequest;
  readonly filename: string;
  readonly checksum: Digest;
  /** As the server sent it; absent when no request was made. */
  readonly lastModified: string | undefined;
}

/** A download may not be larger, in bytes. */
const MAX_BODY = 64 * 1024 ** 3;

interface Known {
  readonly etag: string | undefined;
  readonly lastModified: string | undefined;
  readonly digest: Digest;
  readonly filename: string;
}

export interface HttpDeps {
  readonly content: ContentStore;
  readonly records: Records;
  readonly state: State;
}

/** Downloads files over HTTP, asking the server only whether they have changed where it gave an ETag before. */
export class HttpSource {
  readonly #deps: HttpDeps;

  constructor(deps: HttpDeps) {
    this.#deps = deps;
  }

  async resolve(request: HttpRequest, hold: Hold): Promise<ResolvedHttp> {
    if (request.checksum !== undefined) {
      return resolved(request, {
        digest: request.checksum,
        filename: httpFileName(request.url, undefined),
        etag: undefined,
        lastModified: undefined,
      });
    }
    return resolved(request, await this.#download(request.url, hold));
  }

  /** A record with the file alone: owner, mode and time as asked for, time from the server or 1970. */
  async record(http: ResolvedHttp, hold: Hold): Promise<RecordId> {
    const { content, records } = this.#deps;
    if (content.info(http.checksum) === undefined) await this.#fetchExpected(http, hold);
    hold.lease.add("blob", http.checksum);
    await using layer = await records.begin(SCRATCH, { description: `http url ${http.request.url}` }, hold);
    const path = join(layer.path, http.filename);
    await copyFile(content.path(http.checksum), path, constants.COPYFILE_FICLONE);
    const { uid = 0, gid = 0, mode } = http.request;
    await chown(path, uid, gid);
    await chmod(path, mode === undefined || mode === 0 ? 0o600 : mode);
    const time = http.lastModified === undefined ? 0 : Date.parse(http.lastModified) / 1000;
    await utimes(path, time, time);
    return (await layer.commit()).id;
  }

  async #fetchExpected(http: ResolvedHttp, hold: Hold): Promise<void> {
    const known = await this.#download(http.request.url, hold);
    if (known.digest === http.checksum) return;
    throw new VarveError(
      "corrupt",
      `Cannot use ${http.request.url}: its digest is ${known.digest}, not ${http.checksum}`,
    );
  }

  async #download(url: string, hold: Hold): Promise<Known> {
    const known = this.#known(url);
    const usable = known !== undefined && this.#deps.content.info(known.digest) !== undefined;
    const response = await request(url, usable ? known.etag : undefined, hold.signal);
    if (response.status === 304 && known !== undefined) {
      await response.body?.cancel();
      hold.lease.add("blob", known.digest);
      return known;
    }
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new VarveError("remote", `Cannot download ${url}: the server answered ${response.status}`, {
        details: { status: response.status },
      });
    }
    const body = limited(response.body as Bytes, MAX_BODY, { what: url });
    const info = await this.#deps.content.put(body, {
      ref: `http-${digestOf(url)}-${process.pid}`,
      lease: hold.lease,
      signal: hold.signal,
    });
    return this.#remember(url, {
      digest: info.digest,
      filename: httpFileName(
        response.url === "" ? url : response.url,
        response.headers.get("content-disposition") ?? undefined,
      ),
      etag: response.headers.get("etag") ?? undefined,
      lastModified: httpDate(response.headers.get("last-modified")),
    });
  }

  #known(url: string): Known | undefined {
    const row = this.#deps.state.get(
      "SELECT etag, last_modified, digest, filename FROM http_source WHERE url = ?",
      url,
    );
    if (row === undefined) return undefined;
    const text = (key: string): string | undefined => (typeof row[key] === "string" ? row[key] : undefined);
    return {
      etag: text("etag"),
      lastModified: text("last_modified"),
      digest: text("digest") as Digest,
      filename: text("filename") ?? "",
    };
  }

  #remember(url: string, known: Known): Known {
    this.#deps.state.run(
      "INSERT OR REPLACE INTO http_source (url, etag, last_modified, digest, filename) VALUES (?, ?, ?, ?, ?)",
      url,
      known.etag ?? null,
      known.lastModified ?? null,
      known.digest,
      known.filename,
    );
    return known;
  }
}

async function request(url: string, etag: string | undefined, signal: AbortSignal | undefined): Promise<Response> {
  try {
    const headers = etag === undefined ? {} : { "if-none-match": etag };
    return await fetch(url, { headers, redirect: "follow", ...(signal === undefined ? {} : { signal }) });
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw toVarveError(cause, `download ${url}`, "remote");
  }
}

function httpDate(text: string | null): string | undefined {
  if (text === null || Number.isNaN(Date.parse(text))) return undefined;
  return new Date(text).toUTCString();
}

function resolved(request: HttpRequest, known: Known): ResolvedHttp {
  const filename = request.filename === undefined || request.filename === "" ? known.filename : request.filename;
  const lastModified = request.checksum === undefined ? known.lastModified : undefined;
  return { request, filename, checksum: known.digest, lastModified };
}
