import { type KeyObject, createPublicKey, sign, verify } from "node:crypto";
import { VarveError } from "../../core/index.ts";
import type { ConfigSignature } from "../document/signature.ts";
import { type KeyPlaces, privateKey, publicKeys } from "./keys.ts";

/** Whose signatures a reader wants, and for which scope. */
export interface Trust {
  readonly keys: readonly KeyObject[];
  /** Empty: only documents that were signed for no scope. */
  readonly scope: string;
}

/** Signs documents, and trusts those that it has signed. */
export interface DocumentSigner extends Trust {
  sign(bytes: Uint8Array): ConfigSignature["ed25519"];
}

/** What a document says about who has signed it. */
export interface Evidence {
  /** The document has no records, so that it need not be signed. */
  readonly isEmpty: boolean;
  readonly signature: ConfigSignature | undefined;
  /** Returns what a signature for a scope is of. */
  readonly signedBytes: (scope: string) => Uint8Array;
}

type Attributes = Readonly<Record<string, string>>;

/** A cache to import or export. */
interface NamedCache {
  readonly type: string;
  readonly attrs: Attributes;
}

/** The `scope` of gha is the name of the document. */
function scopeOf({ type, attrs: { scope = "" } }: NamedCache): string {
  return type === "gha" ? "" : scope;
}

/**
 * Returns what the attributes `verify` and `scope` of an import ask for. Undefined without `verify`.
 *
 * @throws {VarveError} `invalid-argument`
 */
export async function trustOf(cache: NamedCache, places: KeyPlaces): Promise<Trust | undefined> {
  const { verify: key } = cache.attrs;
  const scope = scopeOf(cache);
  return key === undefined ? undefined : { keys: await publicKeys(key, places), scope };
}

/**
 * Returns what signs an export with the attributes `sign` and `scope`. Undefined without `sign`.
 *
 * @throws {VarveError} `invalid-argument`
 */
export async function signerOf(cache: NamedCache, places: KeyPlaces): Promise<DocumentSigner | undefined> {
  const { sign: key } = cache.attrs;
  if (key === undefined) return undefined;
  const secret = await privateKey(key, places);
  return {
    keys: [createPublicKey(secret)],
    scope: scopeOf(cache),
    sign: (bytes) => sign(null, bytes, secret).toString("base64"),
  };
}

/** Returns why a document is not trusted: `it is not signed`. Undefined if it is. */
export function distrust({ isEmpty, signature, signedBytes }: Evidence, { keys, scope }: Trust): string | undefined {
  if (isEmpty) return undefined;
  if (signature === undefined) return "it is not signed";
  const bytes = signedBytes(signature.scope);
  const value = Buffer.from(signature.ed25519, "base64");
  if (!keys.some((key) => verify(null, bytes, key, value)))
    return "its signature is not by the given key, or it was changed after it was signed";
  if (signature.scope === scope) return undefined;
  return signature.scope === ""
    ? `it was signed for no scope, not for ${JSON.stringify(scope)}`
    : `it was signed for the scope ${JSON.stringify(signature.scope)}, which is not the one asked for`;
}

/** Throws `corrupt` if a document called `name` is not trusted. */
export function requireTrust(evidence: Evidence, trust: Trust | undefined, name: string): void {
  const why = trust === undefined ? undefined : distrust(evidence, trust);
  if (why !== undefined) throw new VarveError("corrupt", `Cannot use cache ${name}: ${why}`);
}
