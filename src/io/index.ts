export * from "./atomic-file.ts";
export * from "./bytes.ts";
export * from "./semaphore.ts";
export * from "./single-flight.ts";
export * from "./temporary.ts";
