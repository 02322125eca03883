import { createHmac, hash } from "node:crypto";
import type { ContentEntry } from "../contenthash/index.ts";
import { redact } from "../core/index.ts";
import type { Part } from "./facts.ts";

/** Words in names of variables whose values are credentials. */
const CREDENTIAL =
  /(^|[_-])(token|password|passwd|passphrase|pass|pwd|secret|secrets|credential|credentials|auth|apikey|key|private|signature|sig|cookie|session|pat|dsn)($|[_-])|api[_-]?key|token$|password$|secret$|apikey$/i;
/** Maximum characters of a value that is stored as it is. */
const MAX_VALUE = 4_096;

/** Shorter values are parts of ordinary words. */
const MIN_MASKED = 4;

const SEALED = /^sealed:([0-9a-f]{8}):[0-9a-f]{32}$/;

/** True if the value of a variable with this name is a credential, as far as the name says. */
function isCredentialName(name: string): boolean {
  return CREDENTIAL.test(name);
}

/** What is exported in the place of a sealed value. It cannot be compared with any other value. */
export const HIDDEN: string = `sealed:${"0".repeat(8)}:${"0".repeat(32)}`;

/** True for a value that was sealed. */
export function isSealed(value: string): boolean {
  return SEALED.test(value);
}

/** True if two values are known to be different. Values that were sealed with different keys cannot be compared. */
export function isDifferent(a: string, b: string): boolean {
  const [keyA, keyB] = [a, b].map((value) => SEALED.exec(value)?.[1]);
  if (keyA !== undefined && keyB !== undefined && keyA !== keyB) return false;
  return a !== b;
}

/** True if two values cannot be compared, because they were sealed with different keys. */
export function isIncomparable(a: string, b: string): boolean {
  return isSealed(a) && isSealed(b) && !isDifferent(a, b) && a !== b;
}

/** Replaces values that may be credentials by a digest that is keyed with a random key of the store. */
export class Sealer {
  readonly #key: Uint8Array;
  readonly #name: string;
  /** The values that were sealed. */
  readonly #sealed = new Set<string>();

  /** `key` has at least 16 random bytes, and never leaves the store. */
  constructor(key: Uint8Array) {
    this.#key = key;
    this.#name = hash("sha256", key).slice(0, 8);
  }

  /** Returns what is stored of a variable's value: the value, or its keyed digest. */
  value(name: string, value: string): string {
    const isPlain = !isCredentialName(name) && redact(value) === value && !isSealed(value);
    if (isPlain && value.length <= MAX_VALUE) return value;
    if (!isPlain && value.length >= MIN_MASKED) this.#sealed.add(value);
    return this.seal(value);
  }

  /** Leaves out the files whose paths contain a value that was sealed so far. */
  withoutSealed(files: Iterable<ContentEntry>): Iterable<ContentEntry> {
    const sealed = Array.from(this.#sealed, (value) => Buffer.from(value).toString("latin1"));
    if (sealed.length === 0) return files;
    return Iterator.from(files).filter(
      ({ path, header }) => !sealed.some((value) => path.includes(value) || header.linkname.includes(value)),
    );
  }

  /** Removes the values that were sealed so far from a text in which they may be expanded, such as the name of a step. */
  mask(text: string): string {
    let masked = redact(text);
    for (const value of this.#sealed) masked = masked.replaceAll(value, "***");
    return masked;
  }

  /** Masks or seals the value of a part in which other values may be expanded. */
  masked(part: Part): Part {
    const { kind, value } = part;
    const masked = isSealed(value) ? value : this.mask(value);
    if (masked === value) return part;
    return { ...part, value: kind === "env" || kind === "arg" ? this.seal(value) : masked };
  }

  /** Returns the keyed digest of a value. */
  seal(value: string): string {
    return `sealed:${this.#name}:${createHmac("sha256", this.#key).update(value).digest("hex").slice(0, 32)}`;
  }
}
