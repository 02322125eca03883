import { Annotation, type Descriptor } from "../../core/index.ts";
import { isVarveError } from "../../core/index.ts";
import { normalizeImageName } from "../image-store.ts";

/** Returns a name from an archive in normalised form, or undefined for an invalid name, which does not make the archive invalid. */
export function archiveName(text: string): string | undefined {
  try {
    return normalizeImageName(text);
  } catch (error) {
    if (isVarveError(error)) return undefined;
    throw error;
  }
}

/**
 * Returns the name of an entry of `index.json`. Some programs write only a tag into `org.opencontainers.image.ref.name`, others a
 * full reference. A tag alone is not a name.
 */
export function entryName(entry: Descriptor): string | undefined {
  const full = entry.annotations?.[Annotation.containerdImageName];
  if (full !== undefined) return archiveName(full);
  const ref = entry.annotations?.[Annotation.refName];
  return ref !== undefined && /[/:@]/.test(ref) ? archiveName(ref) : undefined;
}
