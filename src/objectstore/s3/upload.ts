import { VarveError } from "../../core/index.ts";
import { type Bytes, Semaphore, bytesOf, collect } from "../../io/index.ts";
import { type TransportResponse, bodyOf, headerOf } from "../../http/index.ts";
import type { Asking, ObjectBody, ObjectInfo, WriteResult } from "../object-store.ts";
import { escapeXml, textOf } from "../xml.ts";
import { messageIn, storeError } from "./errors.ts";
import type { S3Requests } from "./requests.ts";
import { sha256Hex } from "./sign.ts";

/** Objects of this size and more are sent in parts, as by BuildKit. In bytes. */
export const MULTIPART_SIZE = 16_777_216;
const PART = 8_388_608;
const MAX_PARTS = 10_000;
/** Parts that are copied are larger, because no byte of them is sent. */
const COPY_PART = 5_368_709_120;
const MAX_ANSWER = 1_048_576;

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
      const parts: Promise<string>[] = [];
      const stop = new AbortController();
      const both = AbortSignal.any([stop.signal, ...(signal === undefined ? [] : [signal])]);
      const send = async (number: number, bytes: Buffer, slot: Disposable): Promise<string> => {
        using _slot = slot;
        return await this.#putPart(key, { id, number, bytes }, { ...asking, signal: both });
      };
      const sent = (part: Promise<string>): Promise<string> => {
        part.catch((error: unknown) => stop.abort(error));
        return part;
      };
      try {
        for await (const { bytes, slot } of partsOf(body.open(), size, () => this.#slots.acquire(both)))
          parts.push(sent(send(parts.length + 1, bytes, slot)));
      } finally {
        await Promise.allSettled(parts);
      }
      return await Promise.all(parts);
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
    const response: TransportResponse = await this.#requests.send(
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
    const answer = (await collect(response.body, MAX_ANSWER, { what: "an answer" })).toString("utf8");
    if (response.status !== 200) {
      await this.#abort(key, id);
      return { kind: "conflict" };
    }
    const message = messageIn(answer);
    if (message.code !== "") throw storeError(200, message, `write ${this.#requests.nameOf(key)}`, 1);
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

/** Cuts bytes into parts. A slot is taken for each part before it is gathered. */
async function* partsOf(
  bytes: Bytes,
  size: number,
  acquire: () => Promise<Disposable>,
): AsyncGenerator<{ readonly bytes: Buffer; readonly slot: Disposable }> {
  const chunks = bytes[Symbol.asyncIterator]();
  let rest: Uint8Array | undefined;
  try {
    for (let isFirst = true; ; isFirst = false) {
      const slot = await acquire();
      const part = Buffer.allocUnsafe(size);
      let filled = 0;
      try {
        while (filled < size) {
          const next: Uint8Array | undefined = rest ?? (await nextOf(chunks));
          if (next === undefined) break;
          const taken = next.subarray(0, size - filled);
          part.set(taken, filled);
          filled += taken.byteLength;
          rest = taken.byteLength < next.byteLength ? next.subarray(taken.byteLength) : undefined;
        }
      } catch (error) {
        slot[Symbol.dispose]();
        throw error;
      }
      if (filled === 0 && !isFirst) return slot[Symbol.dispose]();
      yield { bytes: part.subarray(0, filled), slot };
      if (filled < size) return;
    }
  } finally {
    await chunks.return?.();
  }
}

async function nextOf(chunks: AsyncIterator<Uint8Array>): Promise<Uint8Array | undefined> {
  const next = await chunks.next();
  return next.done === true ? undefined : next.value;
}

/** Returns bytes as the body of an object. */
export function objectBody(bytes: Uint8Array): ObjectBody {
  return { size: bytes.byteLength, open: () => bytesOf(bytes) };
}
