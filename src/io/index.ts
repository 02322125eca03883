export * from "./atomic-file.ts";
export * from "./bytes.ts";
export * from "./compress-decode.ts";
export * from "./compress-detect.ts";
export * from "./compress.ts";
export * from "./semaphore.ts";
export * from "./single-flight.ts";
export * from "./temporary.ts";
