import { digestOf } from "../../core/index.ts";
import type { ContentStore, Lease } from "../../content/index.ts";
import type { RecordId, RecordRow } from "../types.ts";
import { KeyedDirectories, type KeyedDirectoryDeps, type LockedDirectory } from "./keyed-directories.ts";

export interface ContextCopyRequest {
  /** Requests with equal keys are for the same directory of the same client. Undefined: nobody asks for it again. */
  readonly key: string | undefined;
  /** Name of the source in the description of the record. */
  readonly name: string;
}

/**
 * A copy of a client's directory. Nobody else uses it until it is disposed of. Nobody finds it before `keep`, so that a copy whose
 * transfer was killed is never used. Disposing of a copy that was not kept removes it.
 */
export interface ContextCopy extends AsyncDisposable {
  readonly id: RecordId;
  readonly path: string;
  /** How often the copy has been acquired, by any process. */
  readonly uses: number;
  /** Makes the copy available under its key as soon as it is disposed of. */
  keep(): void;
}

export interface ContextCopyDeps extends KeyedDirectoryDeps {
  readonly content: Pick<ContentStore, "lease">;
}

/** Distinguishes the keys of copies from those of cache mounts, which begin with a slash. */
const PREFIX = "local:";

/** Longer keys are stored as their digests. Characters. */
const MAX_KEY = 512;

/**
 * Copies of clients' directories, which persist between builds so that only changes are transferred.
 *
 * @example
 * await using copy = await contextCopies.acquire({ key: "context::laptop", name: "context" });
 * await receiveTree(stream, copy.path);
 * copy.keep();
 */
export class ContextCopies {
  readonly #deps: ContextCopyDeps;
  readonly #directories: KeyedDirectories;

  constructor(deps: ContextCopyDeps) {
    this.#deps = deps;
    this.#directories = new KeyedDirectories(deps);
  }

  /** Returns the copy that was used last among those that are free, or a new, empty one. Never waits. */
  async acquire({ key, name }: ContextCopyRequest): Promise<ContextCopy> {
    await using stack = new AsyncDisposableStack();
    const lease = stack.use(await this.#deps.content.lease());
    const stored = key === undefined ? undefined : storedKey(key);
    const directory = stack.use(await this.#directory(stored, name, lease));
    this.#deps.table.setKey(directory.id, null);
    stack.move();
    return this.#copyIn(directory, stored, lease);
  }

  /** Removes directories without a key that nobody uses, and lock files of directories that do not exist any more. */
  async sweep(): Promise<void> {
    await this.#directories.sweep();
  }

  async #directory(key: string | undefined, name: string, lease: Lease): Promise<LockedDirectory> {
    const rows = key === undefined ? [] : this.#deps.table.byKey(key).sort(byLastUse);
    const opened = await this.#directories.open(rows, "exclusive", lease);
    if (opened !== undefined) return opened;
    await this.#directories.sweep();
    const description = `local source for ${name}`;
    return await this.#directories.create({ type: "source.local", description, key: null, lock: "exclusive" }, lease);
  }

  #copyIn(directory: LockedDirectory, key: string | undefined, lease: Lease): ContextCopy {
    const { table } = this.#deps;
    return {
      id: directory.id,
      path: directory.path,
      // Read while it is locked: nobody else increments it.
      uses: table.get(directory.id)?.usageCount ?? 0,
      keep: () => {
        if (key !== undefined) table.setKey(directory.id, key);
      },
      [Symbol.asyncDispose]: async () => {
        await using stack = new AsyncDisposableStack();
        stack.defer(async () => {
          const row = table.hasKey(directory.id) ? undefined : table.get(directory.id);
          if (row !== undefined) await this.#directories.remove(row);
        });
        stack.use(lease);
        stack.use(directory);
      },
    };
  }
}

/** Clients choose their keys. */
function storedKey(key: string): string {
  return `${PREFIX}${key.length > MAX_KEY ? digestOf(key) : key}`;
}

/** Newest first. */
function byLastUse(a: RecordRow, b: RecordRow): number {
  return (b.lastUsedAt ?? b.createdAt) - (a.lastUsedAt ?? a.createdAt);
}
