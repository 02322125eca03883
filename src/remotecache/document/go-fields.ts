import { VarveError, messageOf } from "../../core/index.ts";

/** Values of one document. Each takes far more memory than the few bytes that write it. */
const MAX_VALUES = 2_000_000;
const OPENS = new Set(Buffer.from(",[{"));

/** Go's fold of a field name: it matches names whatever their case, and two letters outside ASCII that fold into it. */
const fold = (name: string): string => name.toLowerCase().toUpperCase();

function refuse(what: string, expected: string): never {
  throw new VarveError("corrupt", `Cannot read cache config: ${what} is not ${expected}`);
}

/**
 * A JSON value of a document as Go's `encoding/json` fills it into a struct: names of fields whatever their case, unknown
 * ones passed over, `null` and absent the zero value, another type an error (`corrupt`).
 */
export class GoFields {
  readonly #fields = new Map<string, unknown>();

  /** `what` names the struct in errors. */
  constructor(value: unknown, what: string) {
    if (value === null) return;
    if (typeof value !== "object" || Array.isArray(value)) refuse(what, "an object");
    for (const [name, item] of Object.entries(value)) this.#fields.set(fold(name), item);
  }

  string(name: string): string {
    const value = this.#get(name) ?? "";
    return typeof value === "string" ? value : refuse(`field ${name}`, "a text");
  }

  integer(name: string): number {
    return integer(this.#get(name), `field ${name}`);
  }

  list<T>(name: string, read: (item: unknown) => T): T[] {
    return list(this.#get(name), `field ${name}`, read);
  }

  has(name: string): boolean {
    return this.#get(name) !== undefined;
  }

  raw(name: string): unknown {
    return this.#get(name);
  }

  #get(name: string): unknown {
    return this.#fields.get(fold(name)) ?? undefined;
  }
}

export function integer(value: unknown, what: string): number {
  const number = value ?? 0;
  return typeof number === "number" && Number.isSafeInteger(number) ? number : refuse(what, "an integer");
}

export function list<T>(value: unknown, what: string, read: (item: unknown) => T): T[] {
  const items = value ?? [];
  return Array.isArray(items) ? items.map((item: unknown) => read(item)) : refuse(what, "a list");
}

/** No more values than this are in a document: one begins it, and each further one comes after one of these bytes. */
function valuesAtMost(bytes: Uint8Array): number {
  let count = 1;
  for (const byte of bytes) if (OPENS.has(byte)) count += 1;
  return count;
}

/**
 * The value a document is. Bytes that are no UTF-8 are replaced, as in Go; anything behind the value is `corrupt`. Throws
 * `limit-exceeded` for more than two million values.
 */
export function parseGoJson(bytes: Uint8Array, what: string): unknown {
  if (bytes.byteLength > MAX_VALUES && valuesAtMost(bytes) > MAX_VALUES)
    throw new VarveError("limit-exceeded", `Cannot read ${what}: it has more than ${MAX_VALUES} values`);
  try {
    return JSON.parse(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes));
  } catch (error) {
    const state = messageOf(error);
    throw new VarveError("corrupt", `Cannot read ${what}: it is not JSON: ${state.slice(0, 200)}`, { cause: error });
  }
}
