import { type Reference, formatReference, parseReference, withDefaultTag } from "../../core/index.ts";
import { failure } from "./failure.ts";

/** Parses the names of the image and removes duplicates. Throws the daemon's errors, with status 500. */
export function readTags(texts: readonly string[]): readonly Reference[] {
  const found = new Map<string, Reference>();
  for (const text of texts) {
    const reference = readTag(text);
    found.set(formatReference(reference), reference);
  }
  return [...found.values()];
}

function readTag(text: string): Reference {
  let reference: Reference;
  try {
    reference = parseReference(text);
  } catch (error) {
    throw failure(500, "invalid reference format", error);
  }
  if (reference.digest !== undefined) throw failure(500, "build tag cannot contain a digest");
  return withDefaultTag(reference);
}
