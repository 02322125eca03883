import { isVarveError } from "../core/index.ts";
import { type FileStat, type KnownTree, type StatCache, withKind } from "../contenthash/index.ts";
import {
  type Differ,
  type Listing,
  type MessageStream,
  type OnEntry,
  type Received,
  receiveTree,
} from "../filesync/index.ts";
import { type ByteString, hasCapability } from "../linux/index.ts";
import type { ContextCopies, ContextCopy } from "../record/index.ts";
import type { ContextMemory } from "./context-memory.ts";
import { LocalContext, type LocalContextOptions, scanLocalContext } from "./local.ts";

export interface SyncedContextOptions {
  /** Name in progress displays and records. */
  readonly name: string;
  /** Which directory of which client it is. Undefined: nothing is kept for later builds. */
  readonly key: ContextKey | undefined;
  /** `none`: all files are transferred, even if the copy of an earlier build seems to have them. */
  readonly differ?: "metadata" | "none" | undefined;
  /** Transfer only the entries that match one of these patterns, and list all entries in the file `.fsutil-metadata`. */
  readonly metadataOnlyExcept?: readonly string[] | undefined;
  /**
   * Opens a stream to the client, which sends the directory. The client applies the patterns of the source. Disposing of the
   * stream ends the call.
   */
  readonly connect: () => Promise<MessageStream & Disposable>;
  /** Called with the bytes of all packets so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface SyncedContextDeps {
  readonly copies: ContextCopies;
  readonly cache: StatCache;
  readonly memory: ContextMemory;
}

/**
 * A context that a client has sent. Dispose of it when the build ends. Until then, and as long as another build keeps the context, its
 * directory is used for nothing else.
 */
export interface SyncedContext extends AsyncDisposable {
  readonly context: LocalContext;
  readonly received: Received;
}

/** What identifies a directory of a client. */
export interface ContextIdentity {
  readonly name: string;
  /** The hint of the source; empty if it has none. */
  readonly hint: string;
  /** The key of the client's session; empty if the client has none. */
  readonly sharedKey: string;
  readonly metadataOnly: boolean;
}

/** What finds the copy of a client's directory. */
export interface ContextKey {
  readonly id: string;
  /** False if the client has no key of its own, so that the copy may come from another client. */
  readonly isOwn: boolean;
}

/** Returns the key of a client's directory, as BuildKit builds it. */
export function contextKey({ name, hint, sharedKey, metadataOnly }: ContextIdentity): ContextKey {
  return { id: `${name}:${hint}:${sharedKey}${metadataOnly ? ":metadata" : ""}`, isOwn: sharedKey !== "" };
}

/**
 * Receives a context from a client into the copy that an earlier build has kept, so that only changes are transferred. While
 * another build uses that copy, another one is used.
 *
 * @throws {VarveError} what `connect` and `receiveTree` throw
 * @example
 * await using synced = await openSyncedContext({ name: "context", key, connect }, { copies, cache, memory });
 * const key = await synced.context.checksum(selectors);
 */
export async function openSyncedContext(
  options: SyncedContextOptions,
  { copies, cache, memory }: SyncedContextDeps,
): Promise<SyncedContext> {
  const { name, key, signal } = options;
  await using stack = new AsyncDisposableStack();
  const copy = stack.use(await copies.acquire({ key: key?.id, name }));
  const keepOwners = hasCapability("chown");
  const isWhole = options.metadataOnlyExcept === undefined;
  const known = isWhole && differOf(options) === "metadata" ? memory.recall(copy) : undefined;
  memory.forget(copy.id);
  const entries = new ListedEntries();
  const received = await receive(copy, options, { keepOwners, onEntry: entries.add, since: known?.listing });
  const shared = new SharedCopy();
  const local: LocalContextOptions = {
    name,
    keepOwners,
    // A copy with metadata only has other entries than the listing.
    known: isWhole ? entries.tree : undefined,
    keep: () => shared.keep(),
    cache: key === undefined ? undefined : cache,
    signal,
  };
  const { tree } = received.isUnchanged && known !== undefined ? known : await scanLocalContext(copy.path, local);
  if (key !== undefined && isWhole && received.listing !== undefined)
    memory.remember(copy, { listing: received.listing, tree });
  shared.own(stack.move());
  const own = shared.keep();
  const context = new LocalContext(local, tree, undefined);
  return { context, received, [Symbol.asyncDispose]: () => own[Symbol.asyncDispose]() };
}

/** A copy that several builds may keep. The last one gives it back. */
class SharedCopy {
  #owned: AsyncDisposable | undefined;
  #keepers = 0;

  own(owned: AsyncDisposable): void {
    this.#owned = owned;
  }

  keep(): AsyncDisposable {
    this.#keepers += 1;
    let isKept = true;
    return {
      [Symbol.asyncDispose]: async () => {
        if (!isKept) return;
        isKept = false;
        this.#keepers -= 1;
        if (this.#keepers === 0) await this.#owned?.[Symbol.asyncDispose]();
      },
    };
  }
}

/** The entries of a listing. A copy is read again only where something was new. */
class ListedEntries {
  readonly #directories = new Map<ByteString, Map<ByteString, FileStat | undefined>>();

  get tree(): KnownTree {
    return this.#directories;
  }

  readonly add: OnEntry = (directory, name, unchanged) => {
    let entries = this.#directories.get(directory);
    if (entries === undefined) this.#directories.set(directory, (entries = new Map()));
    entries.set(name, unchanged === undefined ? undefined : withKind(unchanged));
  };
}

function differOf({ differ, key }: SyncedContextOptions): Differ {
  if (differ === "none") return "none";
  return key?.isOwn === false ? "fine-metadata" : "metadata";
}

interface IntoCopy {
  readonly keepOwners: boolean;
  readonly onEntry: OnEntry;
  /** The listing that the copy was made equal to, if that is known. */
  readonly since: Listing | undefined;
}

/** Receives files into a copy, and keeps it. Also keeps what was received before an error, so that it is not sent again. */
async function receive(
  copy: ContextCopy,
  options: SyncedContextOptions,
  { keepOwners, onEntry, since }: IntoCopy,
): Promise<Received> {
  const { metadataOnlyExcept, onProgress, signal } = options;
  try {
    using stream = await options.connect();
    const received = await receiveTree(stream, copy.path, {
      differ: differOf(options),
      unchangedSince: since,
      metadataOnlyExcept,
      ownership: keepOwners ? "sender" : "process",
      onEntry,
      onProgress,
      signal,
    });
    copy.keep();
    return received;
  } catch (error) {
    if (!isVarveError(error, "internal")) copy.keep();
    throw error;
  }
}
