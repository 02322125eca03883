import { type Descriptor, type Digest, type JsonNode, isDigest, isVarveError } from "../../core/index.ts";

/** The media type of the blob with the notes of a document's records. */
export const NOTES_TYPE = "application/vnd.varve.cache.notes.v1";

/** Where the notes of a document are. */
export interface NotesBlob {
  readonly digest: Digest;
  /** In bytes. */
  readonly size: number;
}

/** Reads `notes` in the member `varve` of a cache config: `{"digest","size"}`. A malformed one is ignored. */
export function parseNotesBlob(varve: JsonNode): NotesBlob | undefined {
  try {
    const fields = varve.objectOrEmpty().object("notes");
    const [digest, size] = [fields?.string("digest"), fields?.integer("size")];
    return isDigest(digest) && size !== undefined && size >= 0 ? { digest, size } : undefined;
  } catch (error) {
    if (isVarveError(error)) return undefined;
    throw error;
  }
}

/** Returns the descriptor of the blob with the notes. */
export function notesDescriptor({ digest, size }: NotesBlob): Descriptor {
  return { mediaType: NOTES_TYPE, digest, size };
}
