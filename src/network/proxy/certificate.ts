import { type KeyObject, createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP, isIPv4 } from "node:net";
import { ipv6Bytes } from "../../linux/index.ts";
import { bits, identifier, integer, octets, sequence, setOf, tagged, text, time, yes } from "./der.ts";

/** A certificate, and the key that it is about. */
export interface Certificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

/** An authority that this process has made, and that steps trust. */
export interface Authority {
  readonly certificate: string;
  readonly keys: Keys;
}

interface Keys {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

const ECDSA_SHA256 = sequence(identifier("1.2.840.10045.4.3.2"));
const COMMON_NAME = identifier("2.5.4.3");
const OID = {
  subjectKey: "2.5.29.14",
  keyUsage: "2.5.29.15",
  alternativeName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKey: "2.5.29.35",
  extendedUsage: "2.5.29.37",
  serverAuthentication: "1.3.6.1.5.5.7.3.1",
} as const;
/** Bits of the usage of keys: digitalSignature is the first, keyCertSign the sixth. */
const SIGN_AND_CERTIFY = bits(Buffer.from([0b1000_0100]), 2);
const SIGN = bits(Buffer.from([0b1000_0000]), 7);
const HOUR = 3_600_000;
const AUTHORITY_LIFETIME = 10 * 365 * 24 * HOUR;
const HOST_LIFETIME = 24 * HOUR;
const AUTHORITY_NAME = "Varve exec proxy";
/** Maximum length of a common name. */
const MAX_NAME = 64;

/** Makes an authority. */
export function makeAuthority(): Authority {
  const keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const own = keyId(keys.publicKey);
  const certificate = certify({
    subject: AUTHORITY_NAME,
    publicKey: keys.publicKey,
    signer: keys.privateKey,
    lifetime: AUTHORITY_LIFETIME,
    extensions: [
      extension(OID.basicConstraints, sequence(yes()), "critical"),
      extension(OID.keyUsage, SIGN_AND_CERTIFY, "critical"),
      extension(OID.subjectKey, octets(own)),
    ],
  });
  return { certificate, keys };
}

/** Makes a certificate for a host name or an address. */
export function certificateFor(host: string, authority: Authority): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const certificate = certify({
    subject: host,
    publicKey,
    signer: authority.keys.privateKey,
    lifetime: HOST_LIFETIME,
    extensions: [
      extension(OID.keyUsage, SIGN, "critical"),
      extension(OID.extendedUsage, sequence(identifier(OID.serverAuthentication))),
      extension(OID.subjectKey, octets(keyId(publicKey))),
      extension(OID.authorityKey, sequence(tagged(0x80, keyId(authority.keys.publicKey)))),
      extension(OID.alternativeName, sequence(alternativeName(host))),
    ],
  });
  return { certificate, key: privateKey.export({ type: "pkcs8", format: "pem" }) };
}

interface Certified {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  /** Milliseconds. */
  readonly lifetime: number;
  readonly extensions: readonly Buffer[];
}

/** RFC 5280, version 3. */
function certify({ subject, publicKey, signer, lifetime, extensions }: Certified): string {
  const now = Date.now();
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const content = sequence(
    tagged(0xa0, integer(Buffer.from([2]))),
    integer(serial),
    ECDSA_SHA256,
    nameOf(AUTHORITY_NAME),
    sequence(time(new Date(now - HOUR)), time(new Date(now + lifetime))),
    nameOf(subject),
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(...extensions)),
  );
  const der = sequence(content, ECDSA_SHA256, bits(sign("sha256", content, signer)));
  const lines = der.toString("base64").replaceAll(/.{64}(?!$)/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function nameOf(common: string): Buffer {
  return sequence(setOf(sequence(COMMON_NAME, text(common.slice(0, MAX_NAME)))));
}

function extension(oid: string, value: Buffer, kind: "critical" | "other" = "other"): Buffer {
  return sequence(identifier(oid), ...(kind === "critical" ? [yes()] : []), octets(value));
}

/** A name of a host, or an address: [2] and [7] of `GeneralName`. */
function alternativeName(host: string): Buffer {
  if (isIP(host) === 0) return tagged(0x82, Buffer.from(host, "latin1"));
  return tagged(0x87, isIPv4(host) ? Buffer.from(host.split(".").map(Number)) : ipv6Bytes(host));
}

function keyId(key: KeyObject): Buffer {
  return createHash("sha1")
    .update(key.export({ type: "spki", format: "der" }))
    .digest();
}
