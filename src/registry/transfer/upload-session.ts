import { type Descriptor, type Reference, VarveError, throwIfAborted } from "../../core/index.ts";
import { type Bytes, bytesOf, verified } from "../../io/index.ts";
import type { BlobParts, BlobSource } from "./blob-parts.ts";
import type { ApiRequest, Client, ReadResponse, RequestOptions } from "../transport/client.ts";
import type { Endpoint } from "../transport/endpoint.ts";
import { headerOf, HttpFailure, locationOf, type TransportResponse } from "../../http/index.ts";
import { type Scope, repositoryScope } from "../auth/scope.ts";

export interface UploadTarget extends RequestOptions {
  readonly client: Client;
  readonly endpoint: Endpoint;
  readonly reference: Reference;
  readonly descriptor: Descriptor;
  /** Scopes of the token. Default: all that an upload needs. */
  readonly access?: readonly string[] | undefined;
}

/** The result of a POST that opens an upload. */
export type Opened = { readonly kind: "mounted" } | { readonly kind: "session"; readonly session: UploadSession };

const discarded = async <T>(response: TransportResponse, value: T): Promise<T> => {
  await response.discard();
  return value;
};

/** Appends to a query without changing the rest, which may be signed. */
function withQuery(url: URL, addition: string): URL {
  const next = new URL(url);
  next.search = next.search === "" ? addition : `${next.search}&${addition}`;
  return next;
}

/** The bytes a server has, from its `Range: 0-<last>`. `0-0` is ambiguous and is read as no bytes. */
function receivedOf(response: TransportResponse): number {
  const match = /^(?:bytes=)?0-(\d{1,15})$/.exec(headerOf(response.headers, "range") ?? "");
  const last = Number(match?.[1] ?? 0);
  return last === 0 ? 0 : last + 1;
}

function requestOf(
  target: UploadTarget,
  fields: Pick<ApiRequest, "method" | "url" | "accept"> & Partial<ApiRequest>,
): ApiRequest {
  const { reference, descriptor, signal, onWait, access = ["pull", "push"] } = target;
  return {
    scopes: [repositoryScope(reference.repository, ...access)],
    doing: `push blob ${descriptor.digest} to ${reference.registry}/${reference.repository}`,
    signal,
    onWait,
    ...fields,
  };
}

function send<T>(target: UploadTarget, request: ApiRequest, read: ReadResponse<T>): Promise<T> {
  return target.client.request(target.endpoint, request, read);
}

/** True if the repository has the blob. */
export async function blobExists(target: UploadTarget): Promise<boolean> {
  const { client, endpoint, reference, descriptor } = target;
  const url = await client.urlOf(endpoint, `${reference.repository}/blobs/${descriptor.digest}`, "", target);
  const request = requestOf(target, { method: "HEAD", url, accept: [200, 404] });
  return await send(target, request, (response) => discarded(response, response.status === 200));
}

/** Returns the size of a blob in bytes; undefined if the repository does not have it, or does not say its size. */
export async function blobSize(target: UploadTarget): Promise<number | undefined> {
  const { client, endpoint, reference, descriptor } = target;
  const url = await client.urlOf(endpoint, `${reference.repository}/blobs/${descriptor.digest}`, "", target);
  const request = requestOf(target, { method: "HEAD", url, accept: [200, 404] });
  return await send(target, request, async (response) => {
    const size = Number(headerOf(response.headers, "content-length") ?? NaN);
    const known = response.status === 200 && Number.isSafeInteger(size) && size >= 0;
    return await discarded(response, known ? size : undefined);
  });
}

/** Opens an upload, or mounts the blob from another repository of the registry that has it. */
export async function openUpload(target: UploadTarget, mountFrom: string | undefined): Promise<Opened> {
  const { client, endpoint, reference, descriptor } = target;
  const query =
    mountFrom === undefined
      ? ""
      : `mount=${encodeURIComponent(descriptor.digest)}&from=${encodeURIComponent(mountFrom)}`;
  const url = await client.urlOf(endpoint, `${reference.repository}/blobs/uploads/`, query, target);
  const own = repositoryScope(reference.repository, "pull", "push");
  const scopes: readonly Scope[] = mountFrom === undefined ? [own] : [own, repositoryScope(mountFrom, "pull")];
  const accept = mountFrom === undefined ? [202] : [201, 202];
  const request = requestOf(target, { method: "POST", url, scopes, accept });
  return await send(target, request, async (response): Promise<Opened> => {
    if (response.status === 201) return await discarded(response, { kind: "mounted" });
    const location = locationOf(response, url, request.doing);
    const least = Number(headerOf(response.headers, "oci-chunk-min-length") ?? 0);
    const session = new UploadSession(target, location, Number.isSafeInteger(least) && least > 0 ? least : 1);
    return await discarded(response, { kind: "session", session });
  });
}

/** An open upload: distribution specification, "Pushing blobs". The server names each next address. */
export class UploadSession {
  /** Minimum bytes of a chunk, except for the last one. */
  readonly leastChunk: number;
  readonly #target: UploadTarget;
  #location: URL;
  /** Bytes the server has acknowledged. */
  #received = 0;

  constructor(target: UploadTarget, location: URL, leastChunk: number) {
    this.#target = target;
    this.#location = location;
    this.leastChunk = leastChunk;
  }

  get received(): number {
    return this.#received;
  }

  /** Sends the whole blob and closes the upload, in one request and without retry. */
  async putWhole(source: BlobSource): Promise<void> {
    const { size } = this.#target.descriptor;
    await this.#close({ length: size, open: () => this.#checked(source(0), size) });
  }

  /** Sends the next bytes, without retry. */
  async patch(parts: BlobParts, length: number): Promise<void> {
    const start = this.#received;
    const end = start + length;
    const request = requestOf(this.#target, {
      method: "PATCH",
      url: this.#location,
      headers: { "content-type": "application/octet-stream", "content-range": `${start}-${end - 1}` },
      body: { length, open: () => parts.part(start, length) },
      accept: [201, 202, 204],
      attempts: 1,
    });
    await send(this.#target, request, (response) => this.#follow(response, request.doing));
    if (this.#received !== end) throw new HttpFailure("broken", `the server took ${this.#received} of ${end} bytes`);
  }

  /** Closes an upload after all its bytes were sent. */
  async finish(): Promise<void> {
    await this.#close({ length: 0, open: () => bytesOf() });
  }

  /** Asks the server for its offset after a broken connection. */
  async refresh(): Promise<void> {
    const request = requestOf(this.#target, { method: "GET", url: this.#location, accept: [204] });
    await send(this.#target, request, (response) => this.#follow(response, request.doing));
  }

  /** Cancels the upload. Errors are ignored, because servers remove old uploads themselves. */
  async cancel(): Promise<void> {
    const signal = AbortSignal.timeout(5000);
    const target = { ...this.#target, signal };
    const request = requestOf(target, { method: "DELETE", url: this.#location, accept: [200, 202, 204], attempts: 1 });
    try {
      await send(target, request, (response) => response.discard());
    } catch {
      // Servers remove old uploads themselves.
    }
  }

  #checked(source: Bytes, size: number): Bytes {
    return verified(source, { size }, { what: `blob ${this.#target.descriptor.digest}` });
  }

  async #close(body: NonNullable<ApiRequest["body"]>): Promise<void> {
    const { digest } = this.#target.descriptor;
    const request = requestOf(this.#target, {
      method: "PUT",
      url: withQuery(this.#location, `digest=${encodeURIComponent(digest)}`),
      headers: { "content-type": "application/octet-stream" },
      body,
      accept: [200, 201, 204],
      attempts: 1,
    });
    const stored = await send(this.#target, request, (response) =>
      discarded(response, headerOf(response.headers, "docker-content-digest")),
    );
    if (stored !== undefined && stored !== digest) {
      throw new VarveError("corrupt", `Cannot ${request.doing}: the registry stored it as ${stored.slice(0, 160)}`);
    }
  }

  async #follow(response: TransportResponse, doing: string): Promise<void> {
    throwIfAborted(this.#target.signal, doing);
    if (response.headers.has("location")) this.#location = locationOf(response, this.#location, doing);
    this.#received = Math.min(receivedOf(response), this.#target.descriptor.size);
    await response.discard();
  }
}
