import { createPublicKey, randomBytes, timingSafeEqual, verify } from "node:crypto";
import { GrpcCode, GrpcError, invoke, isGrpcError } from "../../../grpc/index.ts";
import { Auth } from "../proto/gen/auth_pb.ts";
import { called } from "../proto/methods.ts";
import type { CallerOptions, ClientSession } from "./client-session.ts";

const getMethod = called(Auth.method.getTokenAuthority);
const verifyMethod = called(Auth.method.verifyTokenAuthority);

const KEY_SIZE = 32;
const SIGNATURE_SIZE = 64;
/** Milliseconds for one answer. */
const PATIENCE = 60_000;
/** The start of an Ed25519 key as SubjectPublicKeyInfo: RFC 8410. */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");

let ownSalt: Buffer | undefined;

/** Differs for each process, so that keys do not identify users for longer. */
function salt(): Buffer {
  ownSalt ??= randomBytes(32);
  return ownSalt;
}

/**
 * Returns the key of the client's user at a registry, or undefined if the client does not get tokens itself. Two sessions with the same
 * key may share tokens, after `ownsKey` has verified it.
 *
 * @throws {GrpcError} `unknown` for a key of another size; otherwise what the client answers.
 */
export async function tokenAuthority(
  { client }: ClientSession,
  host: string,
  { signal }: CallerOptions = {},
): Promise<Uint8Array | undefined> {
  try {
    const request = { host, salt: salt() };
    const { publicKey } = await invoke(client, getMethod, request, { signal, timeout: PATIENCE });
    if (publicKey.length === KEY_SIZE) return publicKey;
    throw new GrpcError(GrpcCode.unknown, `invalid pubkey length ${publicKey.length}`);
  } catch (error) {
    if (isGrpcError(error, GrpcCode.unimplemented, GrpcCode.unavailable) && !client.signal.aborted) return undefined;
    throw error;
  }
}

/** Returns true if the client proves that it has the private key of a user. */
export async function ownsKey(
  { client }: ClientSession,
  host: string,
  publicKey: Uint8Array,
  { signal }: CallerOptions = {},
): Promise<boolean> {
  const payload = randomBytes(32);
  try {
    const request = { host, payload, salt: salt() };
    const { signed } = await invoke(client, verifyMethod, request, { signal, timeout: PATIENCE });
    return isSigned(signed, payload, publicKey);
  } catch (error) {
    if (isGrpcError(error, GrpcCode.unimplemented)) return false;
    throw error;
  }
}

/** `signed` is the signature and then the payload, as of NaCl. */
function isSigned(signed: Uint8Array, payload: Uint8Array, publicKey: Uint8Array): boolean {
  if (publicKey.length !== KEY_SIZE || signed.length !== SIGNATURE_SIZE + payload.length) return false;
  if (!timingSafeEqual(signed.subarray(SIGNATURE_SIZE), payload)) return false;
  const key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: "der", type: "spki" });
  return verify(null, payload, key, signed.subarray(0, SIGNATURE_SIZE));
}
