import { VarveError } from "../../core/index.ts";
import { Semaphore } from "../../io/index.ts";
import { bodyOf, headerOf } from "../../http/index.ts";
import type { Asking, ObjectBody, ObjectInfo, WriteResult } from "../object-store.ts";
import { sendParts } from "../parts.ts";
import { escapeXml, textOf } from "../xml.ts";
import { s3Error } from "./errors.ts";
import { messageIn } from "../store-error.ts";
import type { S3Requests } from "./requests.ts";
import { sha256Hex } from "./sign.ts";

/** Objects of this size and more are sent in parts, as by BuildKit. In bytes. */
export const MULTIPART_SIZE = 16_777_216;
const PART = 8_388_608;
const MAX_PARTS = 10_000;
/** Parts that are copied are larger, because no byte of them is sent. */
const COPY_PART = 5_368_709_120;

/** Sends large objects in parts. */
export class PartUploads {
  readonly #requests: S3Requests;
  /** Bounds the memory of all uploads of a store: each part in flight is held. */
  readonly #slots = new Semaphore(8);

  constructor(requests: S3Requests) {
    this.#requests = requests;
  }

  /** Sends an object in parts, several at a time. After a failure it discards the parts. */
  async put(
    key: string,
    body: ObjectBody,
    asking: Asking & { readonly headers: Record<string, string> },
  ): Promise<WriteResult> {
    const size = Math.max(PART, Math.ceil(body.size / MAX_PARTS));
    return await this.#inParts(key, asking, async (id, signal) => {
      const send = async (bytes: Buffer, at: number, stop: AbortSignal): Promise<string> =>
        await this.#putPart(key, { id, number: at + 1, bytes }, { ...asking, signal: stop });
      return await sendParts(body, { size, slots: this.#slots, signal, send });
    });
  }

  /** Copies a large object onto itself. */
  async copy(
    key: string,
    source: string,
    { size }: ObjectInfo,
    asking: Asking & { readonly headers: Record<string, string> },
  ): Promise<void> {
    await this.#inParts(key, asking, async (id) => {
      const etags: string[] = [];
      for (let from = 0; from < size; from += COPY_PART) {
        const range = `bytes=${from}-${Math.min(from + COPY_PART, size) - 1}`;
        const xml = await this.#requests.text(
          {
            method: "PUT",
            key,
            parameters: { partNumber: String(etags.length + 1), uploadId: id },
            headers: { "x-amz-copy-source": source, "x-amz-copy-source-range": range },
            doing: "touch",
          },
          asking,
        );
        etags.push(textOf(xml, "ETag") ?? "");
      }
      return etags;
    });
  }

  async #inParts(
    key: string,
    asking: Asking & { readonly headers: Record<string, string> },
    send: (id: string, signal: AbortSignal | undefined) => Promise<readonly string[]>,
  ): Promise<WriteResult> {
    const { headers, ...rest } = asking;
    const { "if-match": match, "if-none-match": none, ...meta } = headers;
    const created = { method: "POST", key, parameters: { uploads: "" }, headers: meta, doing: "write" } as const;
    const id = textOf(await this.#requests.text(created, rest), "UploadId");
    if (id === undefined || id === "")
      throw new VarveError("remote", `Cannot write ${this.#requests.nameOf(key)}: the store gave no upload ID`);
    try {
      const etags = await send(id, rest.signal);
      const conditions = {
        ...(match === undefined ? {} : { "if-match": match }),
        ...(none === undefined ? {} : { "if-none-match": none }),
      };
      return await this.#complete(key, { id, etags, conditions }, rest);
    } catch (error) {
      await this.#abort(key, id);
      throw error;
    }
  }

  async #putPart(
    key: string,
    { id, number, bytes }: { readonly id: string; readonly number: number; readonly bytes: Buffer },
    asking: Asking,
  ): Promise<string> {
    const response = await this.#requests.send(
      {
        method: "PUT",
        key,
        parameters: { partNumber: String(number), uploadId: id },
        body: bodyOf(bytes),
        payload: sha256Hex(bytes),
        accept: [200],
        doing: "write",
      },
      asking,
    );
    await response.discard();
    return headerOf(response.headers, "etag") ?? "";
  }

  /** Joins the parts. */
  async #complete(
    key: string,
    {
      id,
      etags,
      conditions,
    }: { readonly id: string; readonly etags: readonly string[]; readonly conditions: Record<string, string> },
    asking: Asking,
  ): Promise<WriteResult> {
    const parts = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(etag)}</ETag></Part>`,
    );
    const xml = Buffer.from(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`);
    const { status, text: answer } = await this.#requests.answer(
      {
        method: "POST",
        key,
        parameters: { uploadId: id },
        headers: { ...conditions, "content-type": "application/xml" },
        body: bodyOf(xml),
        payload: sha256Hex(xml),
        accept: [200, 409, 412],
        doing: "write",
      },
      asking,
    );
    if (status !== 200) {
      await this.#abort(key, id);
      return { kind: "conflict" };
    }
    const message = messageIn(answer);
    if (message.code !== "") throw s3Error(200, message, `write ${this.#requests.nameOf(key)}`, 1);
    return { kind: "written", etag: textOf(answer, "ETag") };
  }

  /** Discards the parts. A store that does not answer keeps them, until a rule of the bucket removes them. */
  async #abort(key: string, id: string): Promise<void> {
    const request = {
      method: "DELETE",
      key,
      parameters: { uploadId: id },
      accept: [200, 204, 404],
      doing: "abort the upload of",
    } as const;
    const response = await this.#requests.send(request, {}).catch(() => undefined);
    await response?.discard();
  }
}
