import { randomBytes } from "node:crypto";
import { type Digest, digestHex } from "../../core/index.ts";
import { Semaphore } from "../../io/index.ts";
import { bodyOf, headerOf } from "../../http/index.ts";
import type { Asking, ObjectBody, WriteResult } from "../object-store.ts";
import { sendParts } from "../parts.ts";
import { escapeXml } from "../xml.ts";
import { azureError, readAzureMessage } from "./errors.ts";
import type { AzureRequest, AzureRequests } from "./requests.ts";

/** Blobs of this size and more are sent in blocks. In bytes. */
const BLOCKS_SIZE = 16_777_216;
const BLOCK = 8_388_608;
const MAX_BLOCKS = 50_000;
/** Codes of a condition that is not met. */
const CONFLICTS: ReadonlySet<string> = new Set(["BlobAlreadyExists", "ConditionNotMet", "UnauthorizedBlobOverwrite"]);

/** Where a blob is written, and on which condition. */
export interface BlobWriting extends Asking {
  /** Returns the URL of the blob with further parameters. */
  readonly url: (parameters: Readonly<Record<string, string>>) => URL;
  /** Headers with the condition; none for a write without. */
  readonly condition?: Readonly<Record<string, string>> | undefined;
  readonly doing: string;
}

/** Writes blobs: by one request, or in blocks that are sent at the same time. */
export class BlobUploads {
  readonly #requests: AzureRequests;
  /** Bounds the memory of all uploads of a store: each block in flight is held. */
  readonly #slots = new Semaphore(8);

  constructor(requests: AzureRequests) {
    this.#requests = requests;
  }

  /** Writes a blob. After a failure, the store discards its blocks by itself. */
  async put(body: ObjectBody, writing: BlobWriting): Promise<WriteResult> {
    if (body.size >= BLOCKS_SIZE) return await this.#inBlocks(body, writing);
    const headers = { "x-ms-blob-type": "BlockBlob", "content-type": "application/octet-stream" };
    const sent = { length: body.size, open: () => body.open() };
    return await this.#commit({ method: "PUT", url: writing.url({}), headers, body: sent }, writing);
  }

  async #inBlocks(body: ObjectBody, writing: BlobWriting): Promise<WriteResult> {
    const size = Math.max(BLOCK, Math.ceil(body.size / MAX_BLOCKS));
    const name = blockNames(body.digest);
    const ids = await sendParts(body, {
      size,
      slots: this.#slots,
      signal: writing.signal,
      send: async (bytes, at, signal) => {
        const id = name(at);
        const url = writing.url({ comp: "block", blockid: id });
        const request = { method: "PUT", url, body: bodyOf(bytes), accept: [201], doing: writing.doing } as const;
        await (await this.#requests.send(request, { ...writing, signal })).discard();
        return id;
      },
    });
    const list = ids.map((id) => `<Latest>${escapeXml(id)}</Latest>`).join("");
    const xml = Buffer.from(`<?xml version="1.0" encoding="utf-8"?><BlockList>${list}</BlockList>`);
    const headers = { "content-type": "application/xml", "x-ms-blob-content-type": "application/octet-stream" };
    const url = writing.url({ comp: "blocklist" });
    return await this.#commit({ method: "PUT", url, headers, body: bodyOf(xml) }, writing);
  }

  /** Sends the request that makes a blob. */
  async #commit(
    request: Omit<AzureRequest, "accept" | "doing">,
    { condition = {}, doing, ...asking }: BlobWriting,
  ): Promise<WriteResult> {
    const isConditional = Object.keys(condition).length > 0;
    const response = await this.#requests.send(
      {
        ...request,
        headers: { ...request.headers, ...condition },
        accept: isConditional ? [201, 404, 409, 412] : [201],
        doing,
      },
      asking,
    );
    if (response.status === 201) {
      await response.discard();
      return { kind: "written", etag: headerOf(response.headers, "etag") };
    }
    const message = await readAzureMessage(response);
    const isConflict = CONFLICTS.has(message.code) || (response.status === 404 && message.code === "BlobNotFound");
    if (isConflict) return { kind: "conflict" };
    throw azureError(response.status, message, doing, 1);
  }
}

/**
 * Returns how the blocks of a blob are named. Writers of the same content choose the same names, so that a blob that one of them
 * commits is no hindrance to the other.
 */
function blockNames(digest: Digest | undefined): (at: number) => string {
  const own = digest === undefined ? randomBytes(16).toString("hex") : digestHex(digest).slice(0, 32);
  return (at) => Buffer.from(`${own}-${String(at).padStart(6, "0")}`).toString("base64");
}
