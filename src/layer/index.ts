export { readTar, type ReadTarOptions } from "./tar-read.ts";
export { writeTar } from "./tar-write.ts";
export type { TarBody, TarEntry, TarEntryType, TarHeader, TarInput } from "./types.ts";
