import type { Bytes } from "../io/index.ts";
import { readArmor } from "./armor.ts";
import { invalidSignature } from "./failure.ts";
import { type SigningKey, readSigningKeys } from "./openpgp-keys.ts";
import { SIGNATURE, type SignaturePacket, readPackets, readSignature } from "./openpgp-packets.ts";
import { type HashName, type Verifier, openVerifier } from "./verifier.ts";

/** A detached signature, and the keys of which one must have made it. */
export interface OpenPgpRequest {
  /** Armored. */
  readonly signature: Uint8Array;
  /** One or more armored public keys. */
  readonly keys: Uint8Array;
  /** Reject a key that has expired since it signed. Default: a key may sign until it expires, and signatures stay valid. */
  readonly rejectExpired?: boolean | undefined;
  /** Milliseconds since 1970. Default: now. */
  readonly now?: number | undefined;
}

const BINARY = 0;
const TEXT = 1;
/** A signature may be this many seconds in the future, because clocks differ. */
const MAX_SKEW = 300;

/**
 * Verifies a detached OpenPGP signature (RFC 9580, version 4 packets) of `data`, which is read once.
 *
 * @throws {VarveError} `corrupt` for a signature that is not by one of the keys, or by one that has expired or was revoked.
 */
export async function verifyOpenPgp(request: OpenPgpRequest, data: Bytes): Promise<void> {
  const signature = readDetached(request.signature);
  const keys = readSigningKeys(request.keys);
  const { hash } = signature;
  if (hash === undefined || hash === "sha1") throw invalidSignature("rejecting weak/unknown hash");
  if (signature.isStrange || (signature.type !== BINARY && signature.type !== TEXT))
    throw invalidSignature("signature of an unsupported type");
  const issuer = (signature.issuer ?? "").toUpperCase().slice(-16);
  const candidates = keys.filter(
    ({ packet }) => signature.issuer === undefined || packet.fingerprint.endsWith(signature.issuer),
  );
  if (candidates.length === 0) throw invalidSignature(`signature by ${issuer}: signature made by unknown entity`);
  const found = await signerOf(signature, hash, candidates, data);
  if (found === undefined) throw invalidSignature(`signature by ${issuer}: invalid signature`);
  checkUsable(found, signature, request);
}

function readDetached(armored: Uint8Array): SignaturePacket {
  const [block] = readArmor(armored, "signature");
  if (block?.type !== "PGP SIGNATURE") throw invalidSignature("failed to decode armored signature");
  for (const { tag, body } of readPackets(block.bytes, "signature")) {
    const signature = tag === SIGNATURE ? readSignature(body) : undefined;
    if (signature !== undefined) return signature;
  }
  throw invalidSignature("no signature packet found");
}

async function signerOf(
  signature: SignaturePacket,
  hash: HashName,
  keys: readonly SigningKey[],
  data: Bytes,
): Promise<SigningKey | undefined> {
  const tried: { readonly key: SigningKey; readonly verifier: Verifier }[] = [];
  for (const key of keys)
    if (key.packet.key !== undefined) tried.push({ key, verifier: openVerifier(key.packet.key, hash) });
  const bytes = signature.type === TEXT ? withLineEnds(data) : data;
  for await (const chunk of bytes) for (const { verifier } of tried) verifier.update(chunk);
  for (const { key, verifier } of tried) {
    verifier.update(signature.trailer);
    if (verifier.verify(signature.numbers)) return key;
  }
  return undefined;
}

const [LF, CR] = [10, 13];

/** Passes text on with CR LF at the end of each line. */
async function* withLineEnds(data: Bytes): AsyncGenerator<Uint8Array> {
  let last = 0;
  for await (const chunk of data) {
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte === LF && last !== CR) out.push(CR);
      out.push(byte);
      last = byte;
    }
    yield Uint8Array.from(out);
  }
}

function checkUsable(key: SigningKey, { createdAt, lifetime }: SignaturePacket, request: OpenPgpRequest): void {
  const now = Math.floor((request.now ?? Date.now()) / 1000);
  const time = request.rejectExpired === true ? now : createdAt;
  const date = (seconds: number): string => new Date(seconds * 1000).toISOString();
  if (createdAt > now + MAX_SKEW)
    throw invalidSignature(`signature creation time is in the future: ${date(createdAt)}`);
  if (key.expiresAt !== undefined && time > key.expiresAt)
    throw invalidSignature(`key expired at ${date(key.expiresAt)}`);
  if (lifetime !== undefined && time > createdAt + lifetime) throw invalidSignature("signature expired");
  if (key.revoked !== undefined) throw invalidSignature(`key revoked${key.revoked === "" ? "" : `: ${key.revoked}`}`);
}
