import type { ContentStore } from "../../../content/index.ts";
import type { BuildHistory } from "../../../history/index.ts";
import type { ReadableContent } from "../services/content.ts";

/** Returns the blobs of a store and those of its history as one store. */
export function readableContent(content: ContentStore, { blobs }: BuildHistory): ReadableContent {
  return {
    info: (digest) => content.info(digest) ?? blobs.info(digest),
    open: (digest, options) => (content.info(digest) === undefined ? blobs : content).open(digest, options),
    *walk() {
      yield* content.walk();
      for (const blob of blobs.walk()) if (content.info(blob.digest) === undefined) yield blob;
    },
  };
}
