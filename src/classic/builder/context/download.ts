import { createWriteStream } from "node:fs";
import { utimes } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { throwIfAborted, toVarveError } from "../../../core/index.ts";
import {
  type Bytes,
  type TemporaryDirectory,
  bytesOf,
  collect,
  limited,
  temporaryDirectory,
} from "../../../io/index.ts";
import { fetchUrl } from "../../../source/index.ts";
import { failure, stepError } from "../failure.ts";
import { HashedTree } from "./hashed-tree.ts";
import type { Emit } from "../types.ts";

/** Maximum size of a download, in bytes. */
const MAX_BODY = 64 * 1024 ** 3;
const MAX_ERROR = 100;
const STATUSES: ReadonlyMap<number, 400 | 401 | 403 | 404> = new Map([
  [400, 400],
  [401, 401],
  [403, 403],
  [404, 404],
]);

/** A successful response. */
export interface UrlResponse {
  readonly headers: Headers;
  readonly body: Bytes;
}

/**
 * Requests a URL, as the Docker daemon does.
 *
 * @throws {VarveError} For a status other than success: the daemon's message, with `details.apiStatus`. `remote` if the request
 * fails; `cancelled`.
 * @example
 * const { body } = await getUrl("https://example.org/context.tar.gz", signal);
 */
export async function getUrl(url: string, signal: AbortSignal): Promise<UrlResponse> {
  let response: Response;
  try {
    response = await fetchUrl(url, { signal });
  } catch (error) {
    throwIfAborted(signal, `download ${url}`);
    const cause = error instanceof TypeError && error.cause instanceof Error ? error.cause : error;
    throw toVarveError(cause, `download ${url}`, "remote");
  }
  const body: Bytes = response.body ?? bytesOf();
  if (response.ok) return { headers: response.headers, body };
  const text = await collect(limited(body, MAX_ERROR, { what: url }), MAX_ERROR, { what: url }).catch(() => "");
  const { status, statusText } = response;
  throw failure(
    STATUSES.get(status) ?? 500,
    `failed to GET ${url} with status ${status} ${statusText}: ${String(text)}`,
  );
}

export interface Downloaded extends AsyncDisposable {
  readonly tree: HashedTree;
  /** Name of the only file in the tree. */
  readonly name: string;
}

/** Returns the last element of the URL's path, else the name in `Content-Disposition`; empty if neither is a file name. */
function fileName(url: string, { headers }: UrlResponse): string {
  const path = new URL(url).pathname;
  const last = path.endsWith("/") ? "" : decoded(path.slice(path.lastIndexOf("/") + 1));
  const disposition = /filename="?([^";]+)"?/i.exec(headers.get("content-disposition") ?? "")?.[1] ?? "";
  const isName = (name: string): boolean => name !== "" && name !== "." && name !== ".." && !/[/\0]/.test(name);
  return [last, disposition.slice(disposition.lastIndexOf("/") + 1)].find(isName) ?? "";
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const UNNAMED = "__unnamed__";

/** Downloads a file to a new directory. It gets mode 0600, root as its owner, and the server's time or 1970. */
export async function download(
  url: string,
  destination: string,
  { folder, emit, signal }: { readonly folder: string; readonly emit: Emit; readonly signal: AbortSignal },
): Promise<Downloaded> {
  const response = await getUrl(url, signal);
  const named = fileName(url, response);
  if (named === "" && destination.endsWith("/")) throw stepError(`cannot determine filename for source ${url}`);
  const name = named === "" ? UNNAMED : named;
  await using stack = new AsyncDisposableStack();
  const directory: TemporaryDirectory = stack.use(await temporaryDirectory("download-", folder));
  const path = join(directory.path, name);
  const body = limited(response.body, MAX_BODY, { what: url });
  await pipeline(body, createWriteStream(path, { flags: "wx", mode: 0o600 }), { signal });
  const modified = Date.parse(response.headers.get("last-modified") ?? "") / 1000;
  const time = Number.isNaN(modified) ? 0 : modified;
  await utimes(path, time, time);
  emit({ stream: "\n" });
  const tree = stack.use(new HashedTree(directory.path));
  const owned = stack.move();
  return { tree, name, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
