import type { Descriptor } from "../core/index.ts";
import type { Tree } from "../filesync/index.ts";
import type { Bytes } from "../io/index.ts";

/** How a tree is to be received. */
export interface TreeReceipt {
  /** Remove what the tree does not have. */
  readonly deleteOthers: boolean;
  /** Called with the bytes that were sent so far. */
  readonly onProgress: (bytes: number) => void;
  readonly signal: AbortSignal | undefined;
}

/** A directory of a client. It is called several times at the same time if the result has several platforms. */
export interface TreeSink {
  readonly kind: "tree";
  readonly send: (tree: Tree, receipt: TreeReceipt) => Promise<void>;
}

/** A file or stream of a client. `metadata` has what the exporter knows about an image. */
export interface StreamSink {
  readonly kind: "stream";
  readonly write: (bytes: Bytes, metadata: ReadonlyMap<string, string>) => Promise<void>;
}

/** A content store of a client. */
export interface ContentSink {
  readonly kind: "content";
  /** Writes a blob unless the store has it. Calls `open` at most once. All blobs that a document names are written before it. */
  readonly write: (descriptor: Descriptor, open: () => Bytes) => Promise<void>;
}
