import { VarveError } from "../../core/index.ts";
import { type TransportResponse } from "../../http/index.ts";
import { HttpClient, type HttpLimits, limited } from "../http-client.ts";
import type {
  Asking,
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
import { ContainerAddress } from "./address.ts";
import { type AzureCredentialOptions, azureAuthorizer } from "./credentials.ts";
import { azureError, readAzureMessage } from "./errors.ts";
import { type AzureRequest, AzureRequests } from "./requests.ts";
import { BlobUploads } from "./upload.ts";

/** Options of `openAzureBlobs`. */
export interface AzureBlobOptions extends AzureCredentialOptions, HttpLimits {}

/** Maximum number of pages of a listing, of 5,000 blobs each. */
const MAX_PAGES = 10_000;
const CONTAINER = { restype: "container" };

/**
 * Opens a container of Azure Blob Storage. Nothing is sent before the first operation. A container that does not exist counts as empty, and
 * is created by the first write.
 *
 * @throws {VarveError} `invalid-argument` for an account, a container or a key that cannot exist.
 * @example
 * using store = openAzureBlobs({ accountUrl: "https://ci.blob.core.windows.net", container: "caches" });
 * const opened = await store.get("manifests/app");
 */
export function openAzureBlobs(options: AzureBlobOptions): ObjectStore {
  const { env = process.env } = options;
  using stack = new DisposableStack();
  const address = new ContainerAddress(options);
  const client = stack.use(new HttpClient({ env, ...limited(options) }));
  const authorizer = azureAuthorizer(options, address.account, stack);
  return new AzureBlobStore(address, new AzureRequests(client, authorizer), stack.move());
}

class AzureBlobStore implements ObjectStore {
  readonly name: string;
  readonly conditionalWrites = "enforced";
  readonly #address: ContainerAddress;
  readonly #requests: AzureRequests;
  readonly #uploads: BlobUploads;
  readonly #stack: DisposableStack;

  constructor(address: ContainerAddress, requests: AzureRequests, stack: DisposableStack) {
    this.name = address.name;
    this.#address = address;
    this.#requests = requests;
    this.#uploads = new BlobUploads(requests);
    this.#stack = stack;
  }

  /** Creates the container if it does not exist. */
  async prepare(asking: Asking = {}): Promise<void> {
    const url = this.#address.url("", CONTAINER);
    const request = { method: "GET", url, accept: [200, 404], doing: `look up ${this.name}` } as const;
    const response = await this.#requests.send(request, asking);
    if (response.status === 200) return await response.discard();
    const message = await readAzureMessage(response);
    if (message.code !== "ContainerNotFound") throw azureError(404, message, request.doing, 1);
    await this.#create(asking);
  }

  async head(key: string, asking: Asking = {}): Promise<ObjectInfo | undefined> {
    const response = await this.#send("HEAD", key, { accept: [200, 404], doing: "look up" }, asking);
    await response.discard();
    return response.status === 404 ? undefined : infoOf(response);
  }

  async get(
    key: string,
    { offset = 0, ...asking }: Asking & { readonly offset?: number | undefined } = {},
  ): Promise<OpenedObject | undefined> {
    const open = (from: number): Promise<TransportResponse | undefined> => this.#open(key, from, asking);
    const { host } = this.#address;
    const reading = { open, doing: `read ${this.name}/${key}`, host, signal: asking.signal };
    return await openResumed(this.#requests.client, offset, reading);
  }

  async put(
    key: string,
    body: ObjectBody,
    { condition, ...asking }: Asking & { readonly condition?: WriteCondition | undefined } = {},
  ): Promise<WriteResult> {
    const writing = {
      ...asking,
      url: (parameters: Readonly<Record<string, string>>) => this.#address.url(key, parameters),
      condition: condition && conditionHeaders(condition),
      doing: `write ${this.name}/${key}`,
    };
    try {
      return await this.#uploads.put(body, writing);
    } catch (error) {
      if (!isContainerMissing(error)) throw error;
    }
    await this.#create(asking);
    return await this.#uploads.put(body, writing);
  }

  async touch(key: string, _info: ObjectInfo, asking: Asking = {}): Promise<void> {
    const headers = { "x-ms-meta-updated_at": new Date().toISOString() };
    const url = this.#address.url(key, { comp: "metadata" });
    const request = { method: "PUT", url, headers, accept: [200], doing: `touch ${this.name}/${key}` } as const;
    await (await this.#requests.send(request, asking)).discard();
  }

  async *list(prefix: string, asking: Asking = {}): AsyncGenerator<ListedObject> {
    let marker = "";
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const parameters = { ...CONTAINER, comp: "list", prefix, ...(marker === "" ? {} : { marker }) };
      const url = this.#address.url("", parameters);
      const doing = `list ${this.name}/${prefix}`;
      const xml = await this.#requests.text({ method: "GET", url, doing }, asking).catch((error: unknown) => {
        if (isContainerMissing(error)) return "";
        throw error;
      });
      for (const blob of elementsOf(xml, "Blob")) yield listedOf(blob);
      marker = textOf(xml, "NextMarker") ?? "";
      if (marker === "") return;
    }
    throw new VarveError("limit-exceeded", `Cannot list ${this.name}/${prefix}: it has too many blobs`);
  }

  async delete(key: string, asking: Asking = {}): Promise<void> {
    const headers = { "x-ms-delete-snapshots": "include" };
    const response = await this.#send("DELETE", key, { headers, accept: [202, 404], doing: "delete" }, asking);
    await response.discard();
  }

  async #create(asking: Asking): Promise<void> {
    const url = this.#address.url("", CONTAINER);
    // 409: another process has created it, or it is being deleted, which the next write reports.
    const request = { method: "PUT", url, accept: [201, 409], doing: `create ${this.name}` } as const;
    await (await this.#requests.send(request, asking)).discard();
  }

  async #open(key: string, offset: number, asking: Asking): Promise<TransportResponse | undefined> {
    const headers = offset === 0 ? {} : { range: `bytes=${offset}-` };
    const response = await this.#send("GET", key, { headers, accept: [200, 206, 404], doing: "read" }, asking);
    if (response.status !== 404) return response;
    await response.discard();
    return undefined;
  }

  #send(
    method: AzureRequest["method"],
    key: string,
    { doing, ...request }: Pick<AzureRequest, "headers" | "accept" | "doing">,
    asking: Asking,
  ): Promise<TransportResponse> {
    const { name } = this;
    return this.#requests.send(
      { method, url: this.#address.url(key), ...request, doing: `${doing} ${name}/${key}` },
      asking,
    );
  }

  [Symbol.dispose](): void {
    this.#stack[Symbol.dispose]();
  }
}

function isContainerMissing(error: unknown): boolean {
  return error instanceof VarveError && error.details["registryCode"] === "ContainerNotFound";
}

function conditionHeaders(condition: WriteCondition): Record<string, string> {
  return condition.kind === "absent" ? { "if-none-match": "*" } : { "if-match": condition.etag };
}

function listedOf(xml: string): ListedObject {
  const etag = textOf(xml, "Etag") ?? textOf(xml, "ETag");
  return {
    key: textOf(xml, "Name") ?? "",
    size: sizeOf(textOf(xml, "Content-Length")),
    // Listings have ETags without the quotes.
    etag: etag === undefined || etag.startsWith('"') ? etag : `"${etag}"`,
    modified: timeOf(textOf(xml, "Last-Modified")),
  };
}
