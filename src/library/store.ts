import { type Store as EngineStore, type StoreOptions, openStore as openEngineStore } from "../engine/index.ts";

let wrap: (store: EngineStore) => Store;
let unwrap: (store: Store) => EngineStore;

/**
 * A store that is open: images, cache and everything else under one root directory. Functions take it as a parameter. Any
 * number of processes may have the same root open at once.
 */
class Store implements AsyncDisposable {
  readonly #parts: EngineStore;

  private constructor(parts: EngineStore) {
    this.#parts = parts;
  }

  static {
    wrap = (parts) => new Store(parts);
    unwrap = (store) => store.#parts;
  }

  /** Absolute path of the root directory. */
  get root(): string {
    return this.#parts.root;
  }

  /** Closes the store. Builds and transfers that use it must have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts[Symbol.asyncDispose]();
  }
}

export type { Store };

/**
 * Opens the store in a root directory, and creates it if it does not exist.
 *
 * @throws {VarveError} `storage` if the directory cannot be used, `unsupported` if the machine lacks what a store needs.
 *
 * @example
 * await using store = await openStore({ root: "/var/lib/varve" });
 */
export async function openStore(options: StoreOptions = {}): Promise<Store> {
  return wrap(await openEngineStore(options));
}

/** The parts of a store, which only this package sees. */
export function partsOf(store: Store): EngineStore {
  return unwrap(store);
}
