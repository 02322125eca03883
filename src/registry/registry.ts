import {
  type Descriptor,
  type Digest,
  type Reference,
  VarveError,
  formatReference,
  parseReference,
} from "../core/index.ts";
import { type Bytes, FIRST_NOTICE, Semaphore, counted } from "../io/index.ts";
import { Client, type RequestOptions } from "./transport/client.ts";
import type { RegistryConfig } from "./transport/config.ts";
import type { CredentialSource } from "./auth/credentials.ts";
import { dockerCredentials } from "./auth/docker-config.ts";
import { Download } from "./transfer/download.ts";
import { type Endpoint, hostConfigOf, originEndpoint, pullEndpoints } from "./transport/endpoint.ts";
import { type OnTransfer, TransferReporter } from "./events.ts";
import {
  DEFAULT_RETRY,
  NodeTransport,
  proxyFromEnvironment,
  type RetryPolicy,
  type Timeouts,
  TlsTrust,
  type TransportResponse,
} from "../http/index.ts";
import {
  type ManifestContent,
  fetchManifest,
  putManifest,
  resolveManifest,
  type PushManifestOptions,
} from "./transfer/manifest.ts";
import { repositoryScope } from "./auth/scope.ts";
import { fromFirst } from "./transport/first-endpoint.ts";
import { listReferrers } from "./transfer/referrers.ts";
import { listTags } from "./transfer/tags.ts";
import { type PushedBlob, uploadBlob } from "./transfer/upload.ts";
import type { BlobSource } from "./transfer/blob-parts.ts";
import { blobExists, blobSize } from "./transfer/upload-session.ts";

export interface RegistryOptions {
  /** Default: Docker's (`$DOCKER_CONFIG/config.json`). */
  readonly credentials?: CredentialSource | undefined;
  readonly config?: RegistryConfig | undefined;
  readonly userAgent?: string | undefined;
  /** Maximum number of concurrent blob transfers in each direction. */
  readonly concurrency?: number | undefined;
  readonly onEvent?: OnTransfer | undefined;
  readonly timeouts?: Partial<Timeouts> | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /** Environment with `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Certificates by host, as in Docker's `/etc/docker/certs.d`. */
  readonly certificates?: string | undefined;
}

export interface TransferOptions extends RequestOptions {
  readonly onEvent?: OnTransfer | undefined;
}

export interface BlobOptions extends TransferOptions {
  /** Position of the first byte. */
  readonly offset?: number | undefined;
  /** `origin` skips the mirrors, for the case that one of them sent wrong bytes. */
  readonly from?: "any" | "origin" | undefined;
}

export interface PushBlobOptions extends TransferOptions {
  /** Repositories of the same registry that may have the blob. */
  readonly mountFrom?: readonly string[] | undefined;
  /** Bytes per request. By default the whole blob is sent in one request, unless the server refuses that. */
  readonly chunkSize?: number | undefined;
}

const DEFAULT_TIMEOUTS: Timeouts = { connect: 30_000, idle: 30_000, notice: FIRST_NOTICE };
const CONCURRENCY = 4;

/**
 * A client of OCI and Docker registries: OCI distribution specification 1.1. It caches connections, tokens and
 * facts about each host; dispose of it to close the connections. Every method throws `remote`, `unauthorized`, `not-found`,
 * `corrupt`, `limit-exceeded` or `cancelled`.
 */
export class Registry implements Disposable {
  readonly #client: Client;
  readonly #trust: TlsTrust;
  #config: RegistryConfig;
  readonly #onEvent: OnTransfer | undefined;
  readonly #downloads: Semaphore;
  readonly #uploads: Semaphore;

  constructor(options: RegistryOptions = {}) {
    const concurrency = options.concurrency ?? CONCURRENCY;
    this.#config = options.config ?? { registries: {} };
    this.#trust = new TlsTrust((host) => hostConfigOf(this.#config, host), options.certificates);
    this.#onEvent = options.onEvent;
    this.#downloads = new Semaphore(concurrency);
    this.#uploads = new Semaphore(concurrency);
    this.#client = new Client({
      transport: new NodeTransport({
        trust: this.#trust,
        proxy: proxyFromEnvironment(options.env ?? process.env),
        timeouts: { ...DEFAULT_TIMEOUTS, ...options.timeouts },
        sockets: 2 * concurrency + 8,
      }),
      credentials: options.credentials ?? dockerCredentials(),
      isPlain: (host) => {
        const known = hostConfigOf(this.#config, host);
        return known?.http === true || known?.insecure === true;
      },
      retry: { ...DEFAULT_RETRY, ...options.retry },
      userAgent: options.userAgent ?? "varve",
    });
  }

  /** From now on, accepts any certificate of a host, and plain HTTP if the host does not support TLS. */
  allowInsecure(host: string): void {
    const known = hostConfigOf(this.#config, host);
    if (known?.insecure === true) return;
    this.#config = { registries: { ...this.#config.registries, [host]: { ...known, insecure: true } } };
    this.#trust.forget(host);
  }

  /** Resolves a reference. Its digest has precedence over its tag; with neither, the tag is `latest`. */
  async resolve(reference: Reference, asking: RequestOptions = {}): Promise<Descriptor> {
    const checked = check(reference);
    return await resolveManifest(this.#client, this.#pullFrom(checked), { ...asking, reference: checked });
  }

  /** Fetches the manifest or index, verified against the reference's digest or the one that the registry announces. */
  async manifest(reference: Reference, asking: RequestOptions = {}): Promise<ManifestContent> {
    const checked = check(reference);
    return await fetchManifest(this.#client, this.#pullFrom(checked), { ...asking, reference: checked });
  }

  /**
   * Yields the bytes of a blob from `offset`, resumed after broken connections, and never more than the descriptor's size. The reader must
   * verify the digest, because only it has the bytes before `offset`. Reading waits for a transfer slot and holds it until its end.
   */
  async *blob(reference: Reference, descriptor: Descriptor, options: BlobOptions = {}): AsyncGenerator<Uint8Array> {
    const { offset = 0, signal, onWait, from = "any" } = options;
    const checked = check(reference);
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > descriptor.size) {
      throw new VarveError("invalid-argument", `Cannot read blob ${descriptor.digest} from byte ${offset}`);
    }
    const reporter = this.#reporter("download", checked, descriptor, options);
    reporter.state("waiting", offset);
    using _slot = await this.#downloads.acquire(signal);
    const download = new Download(this.#client, checked, descriptor, {
      offset,
      signal,
      onWait,
      onRetry: () => reporter.state("retrying"),
    });
    let current = offset;
    let state: "failed" | "done" = "failed";
    try {
      const endpoints = this.#pullFrom(checked);
      for await (const chunk of download.bytes(from === "any" ? endpoints : endpoints.slice(-1))) {
        current += chunk.byteLength;
        reporter.at(current);
        yield chunk;
      }
      state = "done";
    } finally {
      reporter.state(state);
    }
  }

  /** True if the registry itself, not merely a mirror, has the blob. */
  async hasBlob(reference: Reference, digest: Digest, asking: RequestOptions = {}): Promise<boolean> {
    const checked = check(reference);
    const descriptor = { mediaType: "application/octet-stream", digest, size: 0 };
    const target = { ...asking, client: this.#client, reference: checked, descriptor, access: ["pull"] };
    return await blobExists({ ...target, endpoint: this.#origin(checked) });
  }

  /** Returns the size in bytes of a blob in the registry itself; undefined if it does not have the blob, or does not say. */
  async blobSize(reference: Reference, digest: Digest, asking: RequestOptions = {}): Promise<number | undefined> {
    const checked = check(reference);
    const descriptor = { mediaType: "application/octet-stream", digest, size: 0 };
    const target = { ...asking, client: this.#client, reference: checked, descriptor, access: ["pull"] };
    return await blobSize({ ...target, endpoint: this.#origin(checked) });
  }

  /** Uploads a blob to the reference's repository, resumed after broken connections. Reads `source` only if it is needed. */
  async pushBlob(
    reference: Reference,
    descriptor: Descriptor,
    source: BlobSource,
    options: PushBlobOptions = {},
  ): Promise<PushedBlob> {
    const { signal, onWait, mountFrom = [], chunkSize } = options;
    const checked = check(reference);
    const reporter = this.#reporter("upload", checked, descriptor, options);
    reporter.state("waiting", 0);
    using _slot = await this.#uploads.acquire(signal);
    const asking = { signal, onWait };
    const target = { ...asking, client: this.#client, endpoint: this.#origin(checked), reference: checked, descriptor };
    try {
      const pushed = await uploadBlob(target, {
        source: (offset) => reported(source(offset), offset, reporter),
        mountFrom,
        chunkSize,
        onRetry: () => reporter.state("retrying"),
      });
      reporter.state(pushed === "uploaded" ? "done" : pushed, descriptor.size);
      return pushed;
    } catch (error) {
      reporter.state("failed");
      throw error;
    }
  }

  /** Stores a manifest or an index: under the reference's tag, or by its own digest if there is none. */
  async pushManifest(
    reference: Reference,
    descriptor: Descriptor,
    bytes: Uint8Array,
    options: PushManifestOptions = {},
  ): Promise<void> {
    const checked = check(reference);
    await putManifest(this.#client, this.#origin(checked), { descriptor, bytes }, { ...options, reference: checked });
  }

  /** Lists the tags of the reference's repository, from the first mirror that answers, or from the registry. */
  async tags(reference: Reference, asking: RequestOptions = {}): Promise<readonly string[]> {
    const checked = check(reference);
    return await fromFirst(this.#pullFrom(checked), asking.signal, async (endpoint) => {
      return await listTags(this.#client, endpoint, checked, asking);
    });
  }

  /** Returns the manifests of the reference's repository whose subject is a manifest. Their bytes are not fetched. */
  async referrers(reference: Reference, digest: Digest, asking: RequestOptions = {}): Promise<readonly Descriptor[]> {
    const checked = check(reference);
    return await listReferrers(this.#client, this.#origin(checked), checked, digest, asking);
  }

  /** Deletes a manifest by digest, with the tags on it; throws `invalid-argument` without one. */
  async deleteManifest(reference: Reference, options: RequestOptions = {}): Promise<void> {
    const { repository, digest } = check(reference);
    if (digest === undefined) {
      throw new VarveError("invalid-argument", `Cannot delete ${formatReference(reference)}: it has no digest`);
    }
    await this.#delete(reference, `${repository}/manifests/${digest}`, digest, options);
  }

  async deleteBlob(reference: Reference, digest: Digest, options: RequestOptions = {}): Promise<void> {
    const { repository } = check(reference);
    await this.#delete(reference, `${repository}/blobs/${digest}`, digest, options);
  }

  /** Logs in to a registry host if it requires that; throws `unauthorized` if the credentials are refused. */
  async ping(host: string, asking: RequestOptions = {}): Promise<void> {
    const { registry } = parseReference(`${host}/ping`);
    const endpoint = originEndpoint(this.#config, registry);
    const url = await this.#client.urlOf(endpoint, "", "", asking);
    const request = {
      method: "GET" as const,
      url,
      scopes: [],
      accept: [200],
      doing: `log in to ${registry}`,
      ...asking,
    };
    await this.#client.request(endpoint, request, (response: TransportResponse) => response.discard());
  }

  /** Closes the connections. */
  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]();
  }

  async #delete(reference: Reference, path: string, digest: Digest, asking: RequestOptions): Promise<void> {
    const endpoint = this.#origin(reference);
    const request = {
      method: "DELETE" as const,
      url: await this.#client.urlOf(endpoint, path, "", asking),
      scopes: [repositoryScope(reference.repository, "delete", "pull")],
      accept: [200, 202, 204],
      doing: `delete ${digest} of ${reference.registry}/${reference.repository}`,
      ...asking,
    };
    await this.#client.request(endpoint, request, (response) => response.discard());
  }

  #origin(reference: Reference): Endpoint {
    return originEndpoint(this.#config, reference.registry);
  }

  #pullFrom(reference: Reference): readonly Endpoint[] {
    return pullEndpoints(this.#config, reference.registry);
  }

  #reporter(
    kind: "download" | "upload",
    reference: Reference,
    { digest, size }: Descriptor,
    { onEvent = this.#onEvent }: TransferOptions,
  ): TransferReporter {
    return new TransferReporter(onEvent, { kind, digest, name: formatReference(reference), total: size });
  }
}

/** Checks a reference, which need not come from `parseReference`: its parts go into URLs. */
function check(reference: Reference): Reference {
  return parseReference(formatReference(reference));
}

function reported(source: Bytes, offset: number, reporter: TransferReporter): Bytes {
  let current = offset;
  return counted(source, (length) => {
    current += length;
    reporter.at(current);
  });
}
