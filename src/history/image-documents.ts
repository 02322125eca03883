import type { ContentStore } from "../content/index.ts";
import { type Descriptor, Limits, MediaType } from "../core/index.ts";
import { isDocumentType, walkDescriptors } from "../image/index.ts";
import { collect } from "../io/index.ts";
import type { DocumentCopy } from "./types.ts";

/** Maximum number of documents of one image: indexes, manifests, configs and attestations. */
const MAX_DOCUMENTS = 1000;

/** Returns the documents of an image in the store, without its layers. Documents that the store does not have are left out. */
export async function imageDocuments(content: ContentStore, root: Descriptor): Promise<DocumentCopy[]> {
  const documents: DocumentCopy[] = [];
  const configs = new Set<string>();
  for await (const { descriptor, children } of walkDescriptors(content, root, { allowMissing: true })) {
    const { digest, mediaType } = descriptor;
    if (documents.length === MAX_DOCUMENTS) break;
    // The config of a manifest comes first.
    if (children[0] !== undefined && !isDocumentType(children[0].mediaType)) configs.add(children[0].digest);
    if (!isDocumentType(mediaType) && !configs.has(digest) && mediaType !== MediaType.inToto) continue;
    if ((content.info(digest)?.size ?? Infinity) > Limits.config) continue;
    const data = await collect(content.open(digest), Limits.config, { what: `blob ${digest}` });
    documents.push({ descriptor, data });
  }
  return documents;
}
