import type { Digest } from "../../core/index.ts";
import type { LocalSource } from "../../llb/index.ts";
import type { FetchBlob, Hold } from "../../record/index.ts";
import type { CredentialSource } from "../../registry/index.ts";
import type { BlobReceiver, CacheOrigin } from "../../remotecache/index.ts";
import type { LocalContext, OpenClientStore } from "../../source/index.ts";

/** Directories of a client that contain caches. */
export interface ClientCaches {
  /** Returns the cache with a digest in a directory. */
  origin(directory: string, digest: Digest): Promise<CacheOrigin>;
  /** Returns the store of a directory. The client lets a tag refer to what is written there. */
  store(directory: string): BlobReceiver;
}

/**
 * What a build asks of the client that started it. A command and a library user are clients on this machine. A client of a server
 * answers over its session.
 */
export interface BuildClient {
  /**
   * Opens a local source: a directory of the client. The build reads it until the session ends. `onTransfer` is called with the
   * bytes that the client has sent so far.
   *
   * @throws {VarveError} `invalid-build` or `not-found` if the client has no such directory.
   */
  openLocal(source: LocalSource, hold: Hold, onTransfer?: (bytes: number) => void): Promise<LocalContext>;
  /** Returns the bytes of a secret, or undefined if it is missing and optional. Throws `invalid-build` if it is required. */
  secret(id: string, optional: boolean): Promise<Uint8Array | undefined>;
  /** Returns the socket of an SSH agent, or undefined if it is missing and optional. Throws `invalid-build` if it is required. */
  agent(id: string, optional: boolean): Promise<string | undefined>;
  /** The client's credentials for registries. Default: those of the store. */
  readonly credentials?: CredentialSource | undefined;
  /** Opens a store of blobs of the client, for example an OCI layout. Absent: it serves none. */
  readonly openStore?: OpenClientStore | undefined;
  /** Fetches blobs from sources that only the client can reach. Throws `not-found` for other sources. */
  readonly fetchBlob?: FetchBlob | undefined;
  /** Yields what the client uploads under a URL; undefined if that is no URL of an upload. Absent: it uploads nothing. */
  readonly upload?: ((url: URL) => AsyncIterable<Uint8Array> | undefined) | undefined;
  /** Caches of type `local`. Default: directories of this machine. */
  readonly caches?: ClientCaches | undefined;
}
