export { type LinkRow, SqliteKeyStore } from "./key-store.ts";
export { LOCAL_CACHE, localCache, pruneCache } from "./local-cache.ts";
export { RecordKeyStore } from "./record-keys.ts";
export { type ResultTable, TableResultStore } from "./result-store.ts";
export { cacheTables } from "./schema.ts";
export { StepDigests } from "./step-digests.ts";
export { StepTimes } from "./step-times.ts";
