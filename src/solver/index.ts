export type * from "./events.ts";
export type * from "./store.ts";
export type * from "./trace.ts";
export type * from "./vertex.ts";
