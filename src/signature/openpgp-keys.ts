import { isVarveError } from "../core/index.ts";
import { readArmor } from "./armor.ts";
import { invalidSignature } from "./failure.ts";
import {
  type KeyPacket,
  type Packet,
  PUBLIC_KEY,
  PUBLIC_SUBKEY,
  SIGNATURE,
  type SignaturePacket,
  USER_ID,
  keyHeader,
  readKey,
  readPackets,
  readSignature,
} from "./openpgp-packets.ts";
import { openVerifier } from "./verifier.ts";

/** A key that may sign data: the primary key of an owner, or one of its subkeys. */
export interface SigningKey {
  readonly packet: KeyPacket;
  /** When the key expires, in seconds since 1970; undefined if it does not. For a subkey, the earlier of its own and the primary's. */
  readonly expiresAt: number | undefined;
  /** Why its owner has revoked the key; empty without a reason. Undefined if it is not revoked. */
  readonly revoked: string | undefined;
}

const REVOCATION = 0x20;
const SUBKEY_REVOCATION = 0x28;
const SUBKEY_BINDING = 0x18;
const PRIMARY_BINDING = 0x19;
const SIGN_FLAG = 2;

/**
 * Returns the signing keys of one or more armored public keys. Subkeys must be bound to their primary keys by signatures in both
 * directions.
 *
 * @throws {VarveError} `corrupt` for a text without keys.
 */
export function readSigningKeys(armored: Uint8Array): SigningKey[] {
  const blocks = readArmor(armored, "public key");
  if (blocks.length === 0) throw invalidSignature("failed to read armored public key: no armored data found");
  return blocks.flatMap(({ type, bytes }) => {
    if (type === "PGP PUBLIC KEY BLOCK") return ownersOf(readPackets(bytes, "public key")).flatMap(keysOf);
    throw invalidSignature(`expected public or private key block, got: ${type}`);
  });
}

/** Splits packets at each primary key. */
function ownersOf(packets: readonly Packet[]): Packet[][] {
  const owners: Packet[][] = [];
  for (const packet of packets)
    if (packet.tag === PUBLIC_KEY) owners.push([packet]);
    else owners.at(-1)?.push(packet);
  return owners;
}

interface Part {
  readonly packet: Packet;
  readonly signatures: readonly SignaturePacket[];
}

/** Groups signatures with the packet that they are about. */
function partsOf(packets: readonly Packet[]): Part[] {
  const parts: { packet: Packet; signatures: SignaturePacket[] }[] = [];
  for (const packet of packets) {
    const signature = packet.tag === SIGNATURE ? readSignature(packet.body) : undefined;
    if (signature !== undefined) parts.at(-1)?.signatures.push(signature);
    else if (packet.tag !== SIGNATURE) parts.push({ packet, signatures: [] });
  }
  return parts;
}

function keysOf(packets: readonly Packet[]): SigningKey[] {
  const parts = partsOf(packets);
  const [first] = parts;
  const primary = first === undefined ? undefined : readKey(first.packet.body);
  if (first === undefined || primary === undefined) return [];
  const covered = [keyHeader(primary.body), primary.body];
  const revocation = first.signatures.find((each) => each.type === REVOCATION && isBy(primary, each, covered));
  const revoked = revocation === undefined ? undefined : (revocation.revocationReason ?? "");
  const self = newest(
    parts.filter(({ packet }) => packet.tag === USER_ID).flatMap((part) => certifications(primary, part)),
  );
  if (self === undefined) return [];
  const expiresAt = expiry(primary, self);
  const subkeys = parts
    .filter(({ packet }) => packet.tag === PUBLIC_SUBKEY)
    .flatMap((part) => subkeyOf(primary, part))
    .map((key) => ({ ...key, expiresAt: earlier(key.expiresAt, expiresAt), revoked: revoked ?? key.revoked }));
  return maySign(self) ? [{ packet: primary, expiresAt, revoked }, ...subkeys] : subkeys;
}

/** Returns the valid signatures of a key about its own user id. */
function certifications(primary: KeyPacket, { packet, signatures }: Part): SignaturePacket[] {
  const length = Buffer.alloc(5);
  length.writeUInt8(0xb4);
  length.writeUInt32BE(packet.body.length, 1);
  const covered = [keyHeader(primary.body), primary.body, length, packet.body];
  return signatures.filter(({ type }) => type >= 0x10 && type <= 0x13).filter((each) => isBy(primary, each, covered));
}

function subkeyOf(primary: KeyPacket, { packet, signatures }: Part): SigningKey[] {
  const subkey = readKey(packet.body);
  if (subkey === undefined) return [];
  const covered = [keyHeader(primary.body), primary.body, keyHeader(subkey.body), subkey.body];
  const valid = signatures.filter((each) => isBy(primary, each, covered));
  const binding = newest(valid.filter(({ type }) => type === SUBKEY_BINDING));
  if (binding === undefined || !maySign(binding)) return [];
  const back = binding.embedded === undefined ? undefined : readSignature(binding.embedded);
  if (back?.type !== PRIMARY_BINDING || !isBy(subkey, back, covered)) return [];
  const revocation = valid.find(({ type }) => type === SUBKEY_REVOCATION);
  const revoked = revocation === undefined ? undefined : (revocation.revocationReason ?? "");
  return [{ packet: subkey, expiresAt: expiry(subkey, binding), revoked }];
}

function isBy({ key }: KeyPacket, signature: SignaturePacket, covered: readonly Uint8Array[]): boolean {
  if (key === undefined || signature.hash === undefined || signature.isStrange) return false;
  try {
    const verifier = openVerifier(key, signature.hash);
    for (const part of [...covered, signature.trailer]) verifier.update(part);
    return verifier.verify(signature.numbers);
  } catch (error) {
    // A key that is no good says nothing about itself; the other keys may be good.
    if (isVarveError(error)) return false;
    throw error;
  }
}

function newest(signatures: readonly SignaturePacket[]): SignaturePacket | undefined {
  return signatures.toSorted((a, b) => b.createdAt - a.createdAt)[0];
}

function maySign({ keyFlags }: SignaturePacket): boolean {
  return keyFlags === undefined || (keyFlags & SIGN_FLAG) !== 0;
}

function expiry({ createdAt }: KeyPacket, { keyLifetime }: SignaturePacket): number | undefined {
  return keyLifetime === undefined ? undefined : createdAt + keyLifetime;
}

function earlier(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}
