import { VarveError, digestAlgorithm, digestHex } from "../../core/index.ts";
import { collect } from "../../io/index.ts";
import { type TransportResponse, headerOf, statusOf } from "../../http/index.ts";
import { AwsCredentials } from "../credentials/aws.ts";
import type { AwsKeys } from "./sign.ts";
import { type Environment, HttpClient, type HttpLimits, limited } from "../http-client.ts";
import type {
  Asking,
  ConditionalWrites,
  ListedObject,
  ObjectBody,
  ObjectInfo,
  ObjectStore,
  OpenedObject,
  WriteCondition,
  WriteResult,
} from "../object-store.ts";
import { infoOf, sizeOf, timeOf } from "../response.ts";
import { openResumed } from "../resume.ts";
import { elementsOf, textOf } from "../xml.ts";
import { BucketAddress, type BucketPlace } from "./address.ts";
import { s3Error } from "./errors.ts";
import { readMessage } from "../store-error.ts";
import { S3Requests } from "./requests.ts";
import { encodeKey } from "../encoding.ts";
import { sha256Hex } from "./sign.ts";
import { MULTIPART_SIZE, PartUploads } from "./upload.ts";

/** Options of `openS3`. */
export interface S3Options extends BucketPlace, HttpLimits {
  /** Default: those that AWS's own programs would find. */
  readonly keys?: AwsKeys | undefined;
  /** Default: the environment of this process. */
  readonly env?: Environment | undefined;
}

/** Objects of this size cannot be copied by one request. In bytes. */
const MAX_COPY = 5_368_709_120;
/** Maximum number of pages of a listing, of 1,000 objects each. */
const MAX_PAGES = 10_000;

/**
 * Opens a bucket of S3, or of a store with the same API. Nothing is sent before the first operation.
 *
 * @throws {VarveError} `invalid-argument` for a bucket, region or endpoint that cannot exist.
 * @example
 * using store = openS3({ bucket: "ci-caches", region: "eu-central-1" });
 * const opened = await store.get("manifests/app");
 */
export function openS3(options: S3Options): ObjectStore {
  const { keys, env = process.env } = options;
  const { region } = options;
  const address = new BucketAddress(options);
  const client = new HttpClient({ env, ...limited(options) });
  return new S3Store(new S3Requests(client, address, new AwsCredentials({ keys, region, env })));
}

class S3Store implements ObjectStore {
  readonly name: string;
  readonly #requests: S3Requests;
  readonly #parts: PartUploads;
  #conditionalWrites: ConditionalWrites;

  constructor(requests: S3Requests) {
    const { place } = requests.address;
    this.name = `s3://${place.bucket}`;
    this.#requests = requests;
    this.#parts = new PartUploads(requests);
    this.#conditionalWrites = place.endpoint === undefined ? "enforced" : "unproven";
  }

  get conditionalWrites(): ConditionalWrites {
    return this.#conditionalWrites;
  }

  /** Does nothing: a key may be allowed to write, and not to look at the bucket. */
  async prepare(): Promise<void> {}

  async head(key: string, asking: Asking = {}): Promise<ObjectInfo | undefined> {
    const request = { method: "HEAD", key, accept: [200, 404], doing: "look up" } as const;
    const response = await this.#requests.send(request, asking);
    await response.discard();
    return response.status === 404 ? undefined : infoOf(response);
  }

  async get(
    key: string,
    { offset = 0, ...asking }: Asking & { readonly offset?: number | undefined } = {},
  ): Promise<OpenedObject | undefined> {
    const open = (from: number): Promise<TransportResponse | undefined> => this.#open(key, from, asking);
    const { host } = this.#requests.address;
    const reading = { open, doing: `read ${this.#requests.nameOf(key)}`, host, signal: asking.signal };
    return await openResumed(this.#requests.client, offset, reading);
  }

  async put(
    key: string,
    body: ObjectBody,
    { condition, ...asking }: Asking & { readonly condition?: WriteCondition | undefined } = {},
  ): Promise<WriteResult> {
    const isSent = condition !== undefined && this.#conditionalWrites !== "refused";
    try {
      const written = await this.#put(key, body, isSent ? conditionHeaders(condition) : {}, asking);
      if (written.kind === "conflict") this.#conditionalWrites = "enforced";
      return written;
    } catch (error) {
      if (!isSent || this.#conditionalWrites === "enforced" || statusOf(error) !== 501) throw error;
      this.#conditionalWrites = "refused";
      return await this.#put(key, body, {}, asking);
    }
  }

  async touch(key: string, info: ObjectInfo, asking: Asking = {}): Promise<void> {
    // Some stores decode the source as JavaScript's decodeURI does, which keeps an encoded colon.
    const source = `${this.#requests.address.place.bucket}/${encodeKey(key).replaceAll("%3A", ":")}`;
    const headers = { "x-amz-meta-updated-at": new Date().toISOString() };
    if (info.size >= MAX_COPY) return await this.#parts.copy(key, source, info, { ...asking, headers });
    const copy = { "x-amz-copy-source": source, "x-amz-metadata-directive": "REPLACE" };
    await this.#requests.text({ method: "PUT", key, headers: { ...headers, ...copy }, doing: "touch" }, asking);
  }

  async *list(prefix: string, asking: Asking = {}): AsyncGenerator<ListedObject> {
    let token: string | undefined;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const parameters = { "list-type": "2", prefix, ...(token === undefined ? {} : { "continuation-token": token }) };
      const xml = await this.#requests.text({ method: "GET", key: "", parameters, doing: "list" }, asking);
      for (const object of elementsOf(xml, "Contents")) yield listedOf(object);
      token = textOf(xml, "IsTruncated") === "true" ? textOf(xml, "NextContinuationToken") : undefined;
      if (token === undefined) return;
    }
    throw new VarveError("limit-exceeded", `Cannot list ${this.name}/${prefix}: it has too many objects`);
  }

  async delete(key: string, asking: Asking = {}): Promise<void> {
    const request = { method: "DELETE", key, accept: [200, 204, 404], doing: "delete" } as const;
    await (await this.#requests.send(request, asking)).discard();
  }

  async #open(key: string, offset: number, asking: Asking): Promise<TransportResponse | undefined> {
    const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const request = { method: "GET", key, headers, accept: [200, 206, 404], doing: "read" } as const;
    const response = await this.#requests.send(request, asking);
    if (response.status !== 404) return response;
    const message = await readMessage(response);
    if (message.code === "NoSuchBucket") throw s3Error(404, message, `read ${this.#requests.nameOf(key)}`, 1);
    return undefined;
  }

  async #put(key: string, body: ObjectBody, headers: Record<string, string>, asking: Asking): Promise<WriteResult> {
    if (body.size >= MULTIPART_SIZE) return await this.#parts.put(key, body, { ...asking, headers });
    const payload = await payloadOf(body);
    const response = await this.#requests.send(
      {
        method: "PUT",
        key,
        headers: { ...headers, "content-type": "application/octet-stream" },
        body: { length: body.size, open: () => body.open() },
        payload,
        // 409: another conditional write of the same key is under way. 404: the object that the condition is about does not exist.
        accept: Object.keys(headers).length === 0 ? [200] : [200, 404, 409, 412],
        doing: "write",
      },
      asking,
    );
    if (response.status === 404) {
      const message = await readMessage(response);
      if (message.code !== "NoSuchKey") throw s3Error(404, message, `write ${this.#requests.nameOf(key)}`, 1);
      return { kind: "conflict" };
    }
    await response.discard();
    if (response.status !== 200) return { kind: "conflict" };
    return { kind: "written", etag: headerOf(response.headers, "etag") };
  }

  [Symbol.dispose](): void {
    this.#requests[Symbol.dispose]();
  }
}

/** Returns the hash that signs a body: that of its digest, else its content is read once more. */
async function payloadOf(body: ObjectBody): Promise<string> {
  if (body.digest !== undefined && digestAlgorithm(body.digest) === "sha256") return digestHex(body.digest);
  return sha256Hex(await collect(body.open(), MULTIPART_SIZE, { what: "an object to write" }));
}

function conditionHeaders(condition: WriteCondition): Record<string, string> {
  return condition.kind === "absent" ? { "if-none-match": "*" } : { "if-match": condition.etag };
}

function listedOf(xml: string): ListedObject {
  return {
    key: textOf(xml, "Key") ?? "",
    size: sizeOf(textOf(xml, "Size")),
    etag: textOf(xml, "ETag"),
    modified: timeOf(textOf(xml, "LastModified")),
  };
}
