import type { CopyAction } from "../src/llb/index.ts";

/** A copy of the whole input onto the root. Tests change what they are about. */
export const COPY: CopyAction = {
  kind: "copy",
  src: "/",
  dest: "/",
  mode: -1,
  modeStr: "",
  followSymlink: true,
  dirCopyContents: true,
  attemptUnpack: false,
  createDestPath: true,
  allowWildcard: true,
  allowEmptyWildcard: true,
  timestamp: -1n,
  includePatterns: [],
  excludePatterns: [],
  requiredPaths: [],
  alwaysReplaceExistingDestPaths: false,
};
