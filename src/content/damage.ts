import { type DamageState, type Digest, VarveError, isVarveError } from "../core/index.ts";

const STATES: Readonly<Record<DamageState, string>> = {
  missing: "its file is gone",
  "wrong-size": "its file has another size",
  "wrong-digest": "its file has another digest",
  "not-a-file": "its path is not a regular file",
  unreadable: "its file cannot be read",
};

/** The error for reading a damaged blob: `storage`, with the digest in `details.damaged`. */
export function damagedBlob(digest: Digest, state: DamageState, cause?: unknown): VarveError {
  return new VarveError("storage", `Cannot read blob ${digest}: it was damaged on disk (${STATES[state]})`, {
    details: { digest, damaged: digest, state },
    hint: "Pull or build the image again. To check all blobs: varve doctor --verify",
    cause,
  });
}

/** True if an error says that a blob is not in the store: it never was, or it was damaged and is lost. */
export function isLostBlob(error: unknown): boolean {
  return isVarveError(error, "not-found") || damagedBlobOf(error) !== undefined;
}

/** Returns the damaged blob that an error is about, which is lost from then on; undefined for other errors. */
export function damagedBlobOf(error: unknown): Digest | undefined {
  if (!isVarveError(error)) return undefined;
  return error.details.damaged;
}
