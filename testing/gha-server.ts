import { once } from "node:events";
import { type IncomingMessage, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A scope of a token. Permissions: 1 read, 2 write. */
export type GhaScope = readonly [scope: string, permission: number];

export interface GhaFault {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A request, in the form of the log of BuildKit's requests in `testing/fixtures/remotecache/gha-wire.json`. */
export interface GhaSeen {
  readonly m: string;
  readonly p: string;
  readonly h: Readonly<Record<string, string>>;
  readonly len: number;
  readonly b?: string;
  readonly c: number;
}

interface Entry {
  readonly id: number;
  readonly key: string;
  readonly version: string;
  readonly scope: string;
  readonly parts: Map<number, Buffer>;
  readonly blocks: Map<string, Buffer>;
  /** Undefined until the entry is finished. */
  content: Buffer | undefined;
}

const HEADERS = ["accept", "authorization", "content-range", "content-type", "x-ms-blob-type", "x-ms-version"];
const TWIRP = "/twirp/github.actions.results.api.v1.CacheService/";

/** Returns a token of the service, signed by nobody. */
export function ghaToken(
  scopes: readonly GhaScope[] = [["refs/heads/feat", 3]],
  { expires = Date.now() + 3_600_000 }: { readonly expires?: number } = {},
): string {
  const ac = JSON.stringify(scopes.map(([Scope, Permission]) => ({ Scope, Permission })));
  const claims = { ac, nbf: Math.floor(Date.now() / 1000) - 60, exp: Math.floor(expires / 1000) };
  const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${encoded({ alg: "RS256", typ: "JWT" })}.${encoded(claims)}.c2lnbmF0dXJl`;
}

/**
 * A stand-in of the cache service of GitHub Actions, versions 1 and 2, and of GitHub's API for its entries. It answers what the
 * service answered to BuildKit, restores by scope and by prefix as the service does, and stores in memory.
 */
export class GhaServer implements AsyncDisposable {
  readonly requests: GhaSeen[] = [];
  readonly entries: Entry[] = [];
  /** Chooses what is answered in place of the service's answer. */
  fault: (request: { readonly method: string; readonly path: string; readonly body: string }) => GhaFault | undefined =
    () => undefined;
  /** Download URLs with a number below this one have ended. */
  expired = 0;
  #url = "";
  /** The URL by which clients reach the server: that of a proxy, if there is one. */
  #asked = "";
  #urls = 0;
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.socket?.destroy());
  });

  static async start(): Promise<GhaServer> {
    const server = new GhaServer();
    server.#server.listen(0, "127.0.0.1");
    await once(server.#server, "listening");
    server.#url = `http://127.0.0.1:${(server.#server.address() as AddressInfo).port}`;
    return server;
  }

  get url(): string {
    return this.#url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { method = "", url = "", headers } = request;
    this.#asked = `http://${headers.host ?? ""}`;
    const isText = body.length < 4096 && (headers["content-type"] ?? "").includes("json");
    const text = isText ? body.toString() : "";
    const fault = this.fault({ method, path: url, body: text });
    const answer = fault ?? this.#answer(method, new URL(url, this.#url), headers, body);
    const h = Object.fromEntries(
      HEADERS.flatMap((name) => (headers[name] === undefined ? [] : [[name, String(headers[name])]])),
    );
    if (h["authorization"] !== undefined) h["authorization"] = "Bearer …";
    this.requests.push({ m: method, p: url, h, len: body.length, ...(isText ? { b: text } : {}), c: answer.status });
    response.writeHead(answer.status, answer.headers);
    response.end(answer.body ?? "");
  }

  #answer(
    method: string,
    url: URL,
    headers: IncomingMessage["headers"],
    body: Buffer,
  ): GhaFault & { body?: string | Buffer } {
    const { pathname } = url;
    if (pathname.startsWith("/dl/")) return this.#download(url, headers);
    if (pathname.startsWith("/up/")) return this.#upload(method, url, headers, body);
    const scopes = scopesOf(headers.authorization);
    if (scopes === undefined) return json(401, { message: "unauthorized", code: "unauthenticated", msg: "no token" });
    if (pathname.startsWith(TWIRP))
      return this.#twirp(pathname.slice(TWIRP.length), JSON.parse(body.toString()), scopes);
    if (pathname.startsWith("/_apis/artifactcache/")) return this.#v1(method, url, headers, body, scopes);
    if (pathname.startsWith("/repos/")) return this.#rest(method, url);
    return { status: 404 };
  }

  #twirp(method: string, fields: Record<string, unknown>, scopes: readonly GhaScope[]): GhaFault {
    const key = String(fields["key"]);
    const version = String(fields["version"]);
    switch (method) {
      case "GetCacheEntryDownloadURL": {
        const found = this.#find([key], version, scopes);
        if (found === undefined) return json(200, { ok: false, signed_download_url: "", matched_key: "" });
        return json(200, { ok: true, signed_download_url: this.#downloadUrl(found), matched_key: found.key });
      }
      case "CreateCacheEntry": {
        const entry = this.#create(key, version, scopes);
        if (entry === undefined)
          return json(409, {
            code: "already_exists",
            msg: "cache entry with the same key, version, and scope already exists",
          });
        return json(200, { ok: true, signed_upload_url: `${this.#asked}/up/${entry.id}?sig=x` });
      }
      case "FinalizeCacheEntryUpload": {
        const entry = this.entries.find((each) => each.key === key && each.content === undefined);
        const content = Buffer.concat([...(entry?.parts.values() ?? [])]);
        if (entry === undefined || content.length !== Number(fields["size_bytes"])) return json(200, { ok: false });
        entry.content = content;
        return json(200, { ok: true, entry_id: String(entry.id) });
      }
      default:
        return json(404, { code: "bad_route", msg: method });
    }
  }

  #v1(
    method: string,
    url: URL,
    headers: IncomingMessage["headers"],
    body: Buffer,
    scopes: readonly GhaScope[],
  ): GhaFault {
    const rest = url.pathname.slice("/_apis/artifactcache/".length);
    if (method === "GET" && rest === "cache") {
      const keys = (url.searchParams.get("keys") ?? "").split(",");
      const found = this.#find(keys, url.searchParams.get("version") ?? "", scopes);
      if (found === undefined) return { status: 204 };
      const { key: cacheKey, scope } = found;
      return json(200, { cacheKey, scope, archiveLocation: this.#downloadUrl(found) });
    }
    if (method === "POST" && rest === "caches") {
      const { key, version } = JSON.parse(body.toString()) as { key: string; version: string };
      const entry = this.#create(key, version, scopes);
      if (entry !== undefined) return json(200, { cacheId: entry.id });
      const typeKey = "ArtifactCacheItemAlreadyExistsException";
      return json(409, { message: "Cache already exists.", typeName: `GitHub.${typeKey}`, typeKey, errorCode: 0 });
    }
    const entry = this.entries.find(({ id }) => rest === `caches/${id}`);
    if (entry === undefined) return json(404, { message: "not found" });
    if (method === "PATCH") {
      const from = Number(/^bytes (\d+)-\d+\/\*$/.exec(String(headers["content-range"]))?.[1] ?? Number.NaN);
      if (Number.isNaN(from)) return json(400, { message: "no range" });
      entry.parts.set(from, body);
      return { status: 204 };
    }
    const parts = [...entry.parts].toSorted(([a], [b]) => a - b).map(([, part]) => part);
    const content = Buffer.concat(parts);
    if (content.length !== (JSON.parse(body.toString()) as { size: number }).size)
      return json(400, { message: "wrong size", typeKey: "InvalidOperationException" });
    entry.content = content;
    return { status: 204 };
  }

  #rest(method: string, url: URL): GhaFault {
    if (method === "DELETE") {
      const at = this.entries.findIndex(({ id }) => url.pathname.endsWith(`/${id}`));
      if (at < 0) return json(404, { message: "Not Found" });
      this.entries.splice(at, 1);
      return { status: 204 };
    }
    const [key, ref] = [url.searchParams.get("key") ?? "", url.searchParams.get("ref") ?? ""];
    const [page, size] = [Number(url.searchParams.get("page") ?? 1), Number(url.searchParams.get("per_page") ?? 30)];
    const found = this.entries.filter(
      (entry) => entry.content !== undefined && entry.key.startsWith(key) && (ref === "" || entry.scope === ref),
    );
    const listed = found.slice((page - 1) * size, page * size).map((entry) => ({
      id: entry.id,
      key: entry.key,
      ref: entry.scope,
      version: entry.version,
      size_in_bytes: entry.content?.length ?? 0,
    }));
    return json(200, { total_count: found.length, actions_caches: listed });
  }

  /** Searches the scopes in their order; in each, the exact key before the newest that begins with it. */
  #find(keys: readonly string[], version: string, scopes: readonly GhaScope[]): Entry | undefined {
    for (const [scope, permission] of scopes) {
      if ((permission & 1) === 0) continue;
      const there = this.entries.filter(
        (entry) => entry.scope === scope && entry.version === version && entry.content !== undefined,
      );
      for (const key of keys) {
        const found = there.find((entry) => entry.key === key) ?? there.findLast((entry) => entry.key.startsWith(key));
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #create(key: string, version: string, scopes: readonly GhaScope[]): Entry | undefined {
    const scope = scopes.findLast(([, permission]) => (permission & 2) !== 0)?.[0] ?? "";
    const isTaken = this.entries.some(
      (entry) => entry.key === key && entry.version === version && entry.scope === scope,
    );
    if (isTaken) return undefined;
    const id = (this.entries.at(-1)?.id ?? 0) + 1;
    const entry = { id, key, version, scope, parts: new Map(), blocks: new Map(), content: undefined };
    this.entries.push(entry);
    return entry;
  }

  #downloadUrl({ id, key }: Entry): string {
    return `${this.#asked}/dl/${id}/${encodeURIComponent(key)}?sig=x&number=${(this.#urls += 1)}`;
  }

  #download(url: URL, { range }: IncomingMessage["headers"]): GhaFault & { body?: string | Buffer } {
    if (Number(url.searchParams.get("number")) < this.expired) return { status: 403 };
    const content = this.entries.find(({ id }) => url.pathname.startsWith(`/dl/${id}/`))?.content;
    if (content === undefined) return { status: 404 };
    const from = Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0);
    const body = content.subarray(from);
    return { status: from === 0 ? 200 : 206, headers: { "content-length": String(body.length) }, body } as never;
  }

  #upload(method: string, url: URL, headers: IncomingMessage["headers"], body: Buffer): GhaFault {
    const entry = this.entries.find(({ id }) => url.pathname === `/up/${id}`);
    if (entry === undefined || method !== "PUT" || url.searchParams.get("sig") !== "x") return { status: 403 };
    const block = url.searchParams.get("blockid");
    if (block !== null) entry.blocks.set(block, body);
    else if (url.searchParams.get("comp") === "blocklist")
      for (const [at, [, id = ""]] of [...body.toString().matchAll(/<(?:Latest|Uncommitted)>([^<]*)</g)].entries())
        entry.parts.set(at, entry.blocks.get(id) ?? Buffer.alloc(0));
    else if (headers["x-ms-blob-type"] === "BlockBlob") entry.parts.set(0, body);
    else return { status: 400 };
    // As from Azure. BuildKit does not live without the ID.
    return { status: 201, headers: { "x-ms-request-id": String(entry.id), etag: '"0x1"' } };
  }
}

function json(status: number, value: object): GhaFault {
  return { status, headers: { "content-type": "application/json" }, body: JSON.stringify(value) };
}

/** The scopes of a token; undefined for what is none. */
function scopesOf(authorization: string | undefined): readonly GhaScope[] | undefined {
  const [, claims] = /^Bearer [^.]+\.([^.]+)\.[^.]+$/.exec(authorization ?? "") ?? [];
  if (claims === undefined) return authorization === "Bearer a-token-for-the-repository" ? [] : undefined;
  const { ac } = JSON.parse(Buffer.from(claims, "base64url").toString()) as { ac: string };
  return (JSON.parse(ac) as { Scope: string; Permission: number }[]).map(({ Scope, Permission }) => [
    Scope,
    Permission,
  ]);
}
