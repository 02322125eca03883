import { cacheKeyStoreContract } from "../../testing/contracts/cache-key-store.ts";
import { cacheResultStoreContract } from "../../testing/contracts/cache-result-store.ts";
import { MemoryKeyStore, MemoryResultStore } from "./index.ts";

const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };

cacheKeyStoreContract("memory", () => Promise.resolve({ store: new MemoryKeyStore(), ...nothing }));

cacheResultStoreContract("memory", () => {
  const store = new MemoryResultStore<{ n: number }>();
  let n = 0;
  const make = (): { n: number } => ({ n: (n += 1) });
  const lose = (result: { n: number }): void => store.delete(store.save(result, 0).id);
  return Promise.resolve({ store, make, lose, ...nothing });
});
