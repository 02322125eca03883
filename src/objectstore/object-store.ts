import type { Digest } from "../core/index.ts";
import type { Bytes, OnWait } from "../io/index.ts";

/** Options of every operation. */
export interface Asking {
  readonly signal?: AbortSignal | undefined;
  /** Called while an operation waits for the server. */
  readonly onWait?: OnWait | undefined;
}

/** What a store says about an object. */
export interface ObjectInfo {
  /** Bytes. */
  readonly size: number;
  /** Changes with each write of the object. Undefined if the store has none. */
  readonly etag: string | undefined;
  /** Time of the last write or touch, in milliseconds since 1970. 0 if the store does not say. */
  readonly modified: number;
}

/** An object in a listing. */
export interface ListedObject extends ObjectInfo {
  readonly key: string;
}

/** An object that is being read. Read `bytes` to their end, or leave the loop: until then they hold a connection. */
export interface OpenedObject {
  readonly info: ObjectInfo;
  readonly bytes: Bytes;
}

/** The content of a new object. */
export interface ObjectBody {
  /** Bytes. */
  readonly size: number;
  /** Of the whole content, if it is known. It lets a store verify what arrived. */
  readonly digest?: Digest | undefined;
  /** Called once for each attempt to send the object. */
  open(): Bytes;
}

/** What must be true of the existing object for a write to take effect. */
export type WriteCondition = { readonly kind: "absent" } | { readonly kind: "unchanged"; readonly etag: string };

export type WriteResult =
  | { readonly kind: "written"; readonly etag: string | undefined }
  /** The condition was not met. Nothing was written. */
  | { readonly kind: "conflict" };

/**
 * Whether a store honours conditions of writes.
 * - `enforced`: it does.
 * - `unproven`: it accepts them, but may ignore them. A writer must look again after it has written.
 * - `refused`: it rejects them, so that they are not sent. A writer must look again after it has written.
 */
export type ConditionalWrites = "enforced" | "unproven" | "refused";

/**
 * A flat store of objects by key in a cloud. Every method retries broken connections, throttling and errors of the server.
 *
 * @throws {VarveError} from every method: `remote` if the store refuses or cannot be reached, `unauthorized`, `cancelled`.
 */
export interface ObjectStore extends Disposable {
  /** Shown to users. It contains no secrets. */
  readonly name: string;
  /** May change after a write, when the store has shown what it does. */
  readonly conditionalWrites: ConditionalWrites;
  /** Makes sure that objects can be written, as far as the store can tell without writing one. */
  prepare(asking?: Asking): Promise<void>;
  /** Returns undefined if there is no object with the key. */
  head(key: string, asking?: Asking): Promise<ObjectInfo | undefined>;
  /** Opens an object from byte `offset` on. Resumes after broken connections. Returns undefined if it does not exist. */
  get(key: string, asking?: Asking & { readonly offset?: number | undefined }): Promise<OpenedObject | undefined>;
  /** Writes an object, and replaces the one before unless a condition forbids that. */
  put(
    key: string,
    body: ObjectBody,
    asking?: Asking & { readonly condition?: WriteCondition | undefined },
  ): Promise<WriteResult>;
  /** Sets the time of the last write to now. The object must exist. `info` is what `head` returned. */
  touch(key: string, info: ObjectInfo, asking?: Asking): Promise<void>;
  /** Yields the objects whose keys start with `prefix`, in any order. */
  list(prefix: string, asking?: Asking): AsyncIterable<ListedObject>;
  /** Deletes an object. Does nothing if there is none. */
  delete(key: string, asking?: Asking): Promise<void>;
}
