export { annotationAttributes } from "./annotations.ts";
export { exportArchive } from "./archive.ts";
export { type Attributes, type ImageAttributes, parseImageAttributes } from "./attributes.ts";
export { exportLocal, exportTar } from "./filesystem.ts";
export { exportImage } from "./image.ts";
export { exporterResponse } from "./response.ts";
export type * from "./sinks.ts";
export type * from "./types.ts";
export { writeDest } from "./write-output.ts";
