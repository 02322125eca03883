import { Annotation, type Descriptor } from "../../core/index.ts";
import { isVarveError } from "../../core/index.ts";
import { normalizeImageName } from "../image-store.ts";

/** A name from an archive in normalised form; undefined if it is none. An archive is no less good for a bad name. */
export function archiveName(text: string): string | undefined {
  try {
    return normalizeImageName(text);
  } catch (error) {
    if (isVarveError(error)) return undefined;
    throw error;
  }
}

/**
 * The name an entry of `index.json` has. `org.opencontainers.image.ref.name` is a mere tag to some writers and a whole
 * reference to others; a tag is no name.
 */
export function entryName(entry: Descriptor): string | undefined {
  const full = entry.annotations?.[Annotation.containerdImageName];
  if (full !== undefined) return archiveName(full);
  const ref = entry.annotations?.[Annotation.refName];
  return ref !== undefined && /[/:@]/.test(ref) ? archiveName(ref) : undefined;
}
