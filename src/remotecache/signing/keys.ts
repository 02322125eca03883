import { type KeyObject, createPrivateKey, createPublicKey } from "node:crypto";
import { open } from "node:fs/promises";
import { VarveError, keyPlaceOf } from "../../core/index.ts";
import { collect } from "../../io/index.ts";

/** Where keys may come from. */
export interface KeyPlaces {
  /** Files and variables of this machine. False for a client elsewhere, which sends its keys. */
  readonly machine: boolean;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

/** Maximum size of a key file, in bytes. */
const MAX_FILE = 65_536;
/** Maximum number of keys that a signature may be of. */
const MAX_KEYS = 16;
const PEM = /-----BEGIN ([A-Z ]+)-----[A-Za-z0-9+/=\s]+-----END \1-----/g;

/**
 * Returns the text of a key, with which the same key is found on any machine. `key` is the path of a file, `env:` and the name of a
 * variable, PEM, or `base64:` and the DER form.
 *
 * @throws {VarveError} `invalid-argument`
 */
export async function readKeyText(attribute: "sign" | "verify", key: string, places: KeyPlaces): Promise<string> {
  const invalid = (why: string): VarveError =>
    new VarveError("invalid-argument", `Cannot use ${attribute} of a cache: ${why}`);
  if (key === "") throw invalid("it is empty");
  const place = keyPlaceOf(key);
  if (place.kind === "inline") return place.text;
  if (!places.machine) throw invalid("a client gives the key itself, as PEM, or as base64: and its DER form");
  if (place.kind === "file") return await readKeyFile(place.path, invalid);
  const text = (places.env ?? process.env)[place.name]?.trim() ?? "";
  if (text === "") throw invalid(`the variable ${place.name} is not set`);
  return keyPlaceOf(text).kind === "inline" ? text : `base64:${text}`;
}

async function readKeyFile(path: string, invalid: (why: string) => VarveError): Promise<string> {
  try {
    await using file = await open(path);
    if (!(await file.stat()).isFile()) throw invalid(`${path} is not a regular file`);
    const bytes: AsyncIterable<Buffer> = file.createReadStream({ autoClose: false });
    return (await collect(bytes, MAX_FILE, { what: path })).toString("latin1");
  } catch (error) {
    throw error instanceof VarveError
      ? error
      : new VarveError("invalid-argument", invalid(`${path} cannot be read`).message, { cause: error });
  }
}

/**
 * Returns the private key of `sign`.
 *
 * @throws {VarveError} `invalid-argument` for anything but an Ed25519 key in PEM or DER (PKCS #8).
 */
export async function privateKey(key: string, places: KeyPlaces): Promise<KeyObject> {
  const text = await readKeyText("sign", key, places);
  const first = blocks(text).find((block) => typeof block !== "string" || block.includes("PRIVATE KEY"));
  try {
    if (first !== undefined)
      return ed25519(
        typeof first === "string"
          ? createPrivateKey(first)
          : createPrivateKey({ key: first, format: "der", type: "pkcs8" }),
      );
  } catch {
    // The cause may show parts of the key.
  }
  throw notAKey("sign", "a private");
}

/**
 * Returns the public keys of `verify`: a signature by one of them counts. A private key stands for its public one.
 *
 * @throws {VarveError} `invalid-argument` for anything but Ed25519 keys in PEM, or one in DER (SPKI).
 */
export async function publicKeys(key: string, places: KeyPlaces): Promise<readonly KeyObject[]> {
  const found = blocks(await readKeyText("verify", key, places));
  if (found.length === 0 || found.length > MAX_KEYS) throw notAKey("verify", "a public");
  try {
    return found.map((block) =>
      ed25519(
        typeof block === "string"
          ? createPublicKey(block)
          : createPublicKey({ key: block, format: "der", type: "spki" }),
      ),
    );
  } catch {
    throw notAKey("verify", "a public");
  }
}

/** The keys in a text: PEM as it is, DER as bytes. */
function blocks(text: string): (string | Buffer)[] {
  if (text.startsWith("base64:")) return [Buffer.from(text.slice("base64:".length), "base64")];
  return Array.from(text.matchAll(PEM), ([block]) => block);
}

function ed25519(key: KeyObject): KeyObject {
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new TypeError("not an Ed25519 key");
}

function notAKey(attribute: "sign" | "verify", kind: string): VarveError {
  return new VarveError(
    "invalid-argument",
    `Cannot use ${attribute} of a cache: it is not ${kind} Ed25519 key in PEM`,
    {
      hint: "openssl genpkey -algorithm ed25519 -out cache.key && openssl pkey -in cache.key -pubout -out cache.pub",
    },
  );
}
