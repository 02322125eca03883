import { type Descriptor, type Digest, Limits, VarveError } from "../../../core/index.ts";
import { GrpcCode, Metadata, invoke, invokeServerStream, isGrpcError } from "../../../grpc/index.ts";
import { type Bytes, collect, verified } from "../../../io/index.ts";
import type { CacheOrigin } from "../../../remotecache/index.ts";
import { clientSource } from "../../../source/index.ts";
import { Content } from "../proto/gen/content_pb.ts";
import { called } from "../proto/methods.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";
import { type BlobToWrite, writeContent } from "./content-writer.ts";

const infoMethod = called(Content.method.info);
const readMethod = called(Content.method.read);

/** A blob in a content store of a client. */
export interface ClientBlob {
  readonly digest: string;
  readonly size: number;
  readonly labels: ReadonlyMap<string, string>;
}

export interface ReadRange extends CallerOptions {
  /** Position of the first byte. Default: 0. */
  readonly offset?: number | undefined;
  /** Default: to the end. */
  readonly length?: number | undefined;
}

/**
 * A content store that a client serves. Its id is `local:` and a directory of a cache, `oci:` and the key of a named layout, or `export` for
 * an output.
 */
export class ClientContent {
  readonly session: ClientSession;
  readonly storeId: string;
  readonly #metadata: Metadata;

  constructor(session: ClientSession, storeId: string) {
    this.session = session;
    this.storeId = storeId;
    this.#metadata = Metadata.of([["buildkit-attachable-store-id", storeId]]);
  }

  /** @throws {VarveError} `not-found`. */
  async info(digest: Digest, { signal }: CallerOptions = {}): Promise<ClientBlob> {
    const call = invoke(this.session.client, infoMethod, { digest }, { signal, metadata: this.#metadata });
    const { info } = await this.#found(call, digest);
    const size = Number(info?.size ?? 0n);
    return { digest: info?.digest ?? digest, size, labels: new Map(Object.entries(info?.labels ?? {})) };
  }

  /**
   * Yields bytes of a blob, which are not verified.
   *
   * @throws {VarveError} `not-found`; `corrupt` if the client sends more bytes than asked for.
   */
  async *read(digest: Digest, { offset = 0, length, signal }: ReadRange = {}): AsyncGenerator<Uint8Array> {
    if (length === 0) return;
    const request = { digest, offset: BigInt(offset), size: BigInt(length ?? 0) };
    const responses = invokeServerStream(this.session.client, readMethod, request, {
      signal,
      metadata: this.#metadata,
    });
    let size = 0;
    try {
      // Offsets of responses are not compared: containerd counts them from the first byte that was asked for.
      for await (const { data } of responses) {
        size += data.length;
        if (length !== undefined && size > length) throw tooMuch(digest);
        yield data;
      }
    } catch (error) {
      throw this.#notFound(error, digest);
    }
  }

  /** Reads and verifies a small blob. Throws `limit-exceeded` for more than `limit` bytes. */
  async blob(descriptor: Descriptor, limit: number, { signal }: CallerOptions = {}): Promise<Buffer> {
    const { digest, size } = descriptor;
    const what = { what: `blob ${digest} of the client` };
    if (size > limit)
      throw new VarveError("limit-exceeded", `Cannot read ${what.what}: it is larger than ${limit} bytes`, {
        details: { limit, size },
      });
    return await collect(verified(this.read(digest, { signal }), { digest, size }, what), limit, what);
  }

  /** Writes a blob, unless the client has it. */
  async write(blob: BlobToWrite, source: Bytes, { signal }: CallerOptions = {}): Promise<"written" | "exists"> {
    return await writeContent(this.session, this.#metadata, blob, source, signal);
  }

  /** Returns the cache document with a digest as a place to import from. Its layers have `source` among their sources. */
  origin(digest: Digest): CacheOrigin {
    return {
      name: `${this.storeId}@${digest}`,
      source: this.source,
      top: async (signal) => {
        const { size } = await this.info(digest, { signal });
        const descriptor = { mediaType: "", digest, size };
        return { descriptor, bytes: await this.blob(descriptor, Limits.manifest, { signal }) };
      },
      blob: async (descriptor, limit, signal) => await this.blob(descriptor, limit, { signal }),
    };
  }

  /** Names the store among the sources of a layer. */
  get source(): string {
    return clientSource({ store: this.storeId, session: this.session.id });
  }

  async #found<T>(call: Promise<T>, digest: Digest): Promise<T> {
    try {
      return await call;
    } catch (error) {
      throw this.#notFound(error, digest);
    }
  }

  #notFound(error: unknown, digest: Digest): unknown {
    if (!isGrpcError(error, GrpcCode.notFound)) return error;
    return new VarveError("not-found", error.message, { cause: error, details: { digest } });
  }
}

function tooMuch(digest: Digest): VarveError {
  return new VarveError("corrupt", `Cannot read blob ${digest}: the client sent more bytes than asked for`);
}
