export * from "./image.ts";
export * from "./options.ts";
