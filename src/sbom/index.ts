export { type Evidence, type Scan, scanTree } from "./scan.ts";
export { type DocumentFacts, spdxDocument } from "./spdx.ts";
