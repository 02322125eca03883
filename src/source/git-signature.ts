import { createHash } from "node:crypto";
import { VarveError, isVarveError } from "../core/index.ts";
import { bytesOf } from "../io/index.ts";
import { verifyOpenPgp, verifySsh } from "../signature/index.ts";
import type { GitObjects } from "./git-objects.ts";

/** Whose signature a tag or commit must have. */
export interface GitSigner {
  /** Armored OpenPGP keys, or an SSH key as in `authorized_keys`. */
  readonly keys: Uint8Array;
  /** Reject a key that has expired since it signed. */
  readonly rejectExpired: boolean;
  /** A signed commit is not enough: the reference must be a signed tag. */
  readonly requireSignedTag: boolean;
  /** Look at the commit only. */
  readonly ignoreSignedTag: boolean;
}

/**
 * Verifies that a tag is signed by one of the signer's keys, or else that its commit is.
 *
 * @throws {VarveError} `corrupt` if neither is, in BuildKit's words.
 */
export async function verifyGitSignature(objects: GitObjects, signer: GitSigner): Promise<void> {
  const { checksum, commitChecksum = checksum, tagObject, commitObject } = objects;
  let tagError: unknown;
  if (!signer.ignoreSignedTag && tagObject !== undefined)
    try {
      await verifyObject("tag", tagObject, checksum, signer);
      return;
    } catch (error) {
      if (!isVarveError(error, "corrupt")) throw error;
      tagError = error;
    }
  if (signer.requireSignedTag)
    throw tagError ?? new VarveError("corrupt", "signed tag required but no signed tag found");
  await verifyObject("commit", commitObject, commitChecksum, signer);
}

type ObjectType = "commit" | "tag";

async function verifyObject(type: ObjectType, raw: Uint8Array, hash: string, signer: GitSigner): Promise<void> {
  // Git may show another object in place of one, or may not have looked at its bytes.
  const actual = createHash(hash.length === 64 ? "sha256" : "sha1")
    .update(`${type} ${raw.length}\0`)
    .update(raw)
    .digest("hex");
  if (actual !== hash)
    throw new VarveError(
      "corrupt",
      `${type} object checksum verification failed: checksum mismatch: expected ${hash}, got ${actual}`,
    );
  const { signature, data } = type === "tag" ? splitTag(raw) : splitCommit(raw);
  if (signature === "") throw new VarveError("corrupt", "git object is not signed");
  const { keys, rejectExpired } = signer;
  const bytes = Buffer.from(signature, "latin1");
  if (signature.startsWith(PGP)) await verifyOpenPgp({ signature: bytes, keys, rejectExpired }, bytesOf(data));
  else if (signature.startsWith(SSH)) verifySsh({ signature: bytes, key: keys, namespace: "git" }, data);
  else throw new VarveError("corrupt", "invalid signature format");
}

const PGP = "-----BEGIN PGP SIGNATURE-----";
const SSH = "-----BEGIN SSH SIGNATURE-----";

interface SignedPart {
  /** Empty if there is none. */
  readonly signature: string;
  /** What is signed. */
  readonly data: Uint8Array;
}

/** Takes the signature out of the headers of a commit. */
export function splitCommit(raw: Uint8Array): SignedPart {
  // Bytes of any encoding survive latin1.
  const text = Buffer.from(raw).toString("latin1");
  const end = text.indexOf("\n\n");
  const headers = (end < 0 ? text : text.slice(0, end)).split("\n");
  const [kept, signature]: [string[], string[]] = [[], []];
  let inSignature = false;
  for (const line of headers) {
    const [, first] = /^gpgsig(?:-sha256)? (.*)$/s.exec(line) ?? [];
    inSignature = first !== undefined || (inSignature && line.startsWith(" "));
    if (inSignature) signature.push(first ?? line.slice(1));
    else kept.push(line);
  }
  const data = Buffer.from(`${kept.join("\n")}${end < 0 ? "" : text.slice(end)}`, "latin1");
  return { signature: signature.join("\n"), data };
}

/** Takes the signature off the end of a tag. */
export function splitTag(raw: Uint8Array): SignedPart {
  const text = Buffer.from(raw).toString("latin1");
  const body = text.indexOf("\n\n");
  const at = [PGP, SSH]
    .map((edge) => text.indexOf(`\n${edge}\n`, body < 0 ? text.length : body + 1))
    .filter((index) => index >= 0);
  const first = Math.min(text.length, ...at.map((index) => index + 1));
  return { signature: text.slice(first), data: Buffer.from(raw.subarray(0, first)) };
}
