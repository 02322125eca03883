import { type DamageState, type Digest, VarveError, isVarveError } from "../core/index.ts";

const STATES: Readonly<Record<DamageState, string>> = {
  missing: "its file is gone",
  "wrong-size": "its file has another size",
  "wrong-digest": "the bytes of its file are not those that were written",
  "not-a-file": "something that is not a file stands in its place",
  unreadable: "its file cannot be read",
};

/** What reading a damaged blob throws: `storage`, with the digest in `details.damaged`. */
export function damagedBlob(digest: Digest, state: DamageState, cause?: unknown): VarveError {
  return new VarveError("storage", `Cannot read blob ${digest}: it was damaged on disk (${STATES[state]})`, {
    details: { digest, damaged: digest, state },
    hint: "The damaged file is out of use: pull or build the image again, and look for more by varve doctor --verify.",
    cause,
  });
}

/** True if an error says that a blob is not in the store: it never was, or it was damaged and is lost since. */
export function isLostBlob(error: unknown): boolean {
  return isVarveError(error, "not-found") || damagedBlobOf(error) !== undefined;
}

/** The blob that an error says is damaged, and is lost since; undefined for other errors. */
export function damagedBlobOf(error: unknown): Digest | undefined {
  if (!isVarveError(error)) return undefined;
  return error.details.damaged;
}
