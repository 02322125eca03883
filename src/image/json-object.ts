import { type Digest, type JsonValue, VarveError, isDigest, parseGoTime } from "../core/index.ts";

/** Documents of images are a few levels deep; this leaves room for fields nobody here knows. */
const MAX_DEPTH = 64;

function tooDeep(value: unknown, depth = 0): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth === MAX_DEPTH || Object.values(value).some((item) => tooDeep(item, depth + 1));
}

/** Throws `limit-exceeded` past `limit` bytes or for a document nested too deep, `corrupt` if it is not JSON. */
function parseJson(bytes: Uint8Array, limit: number, what: string): unknown {
  if (bytes.byteLength > limit)
    throw new VarveError("limit-exceeded", `Cannot read ${what}: it is larger than ${limit} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new VarveError("corrupt", `Cannot read ${what}: it is not JSON`, { cause: error });
  }
  if (tooDeep(value)) throw new VarveError("limit-exceeded", `Cannot read ${what}: it is nested too deep`);
  return value;
}

/**
 * An object from untrusted JSON, read field by field, as strictly as Go's `json.Unmarshal` into a struct: `null` and absent are
 * the same, and so are a `null` in a list or map and an empty item; a field of the wrong type throws `corrupt`. Keys are looked up among the object's own, and never become properties of anything.
 */
export class JsonObject {
  readonly #fields: ReadonlyMap<string, unknown>;
  readonly #what: string;
  readonly #known = new Set<string>();

  constructor(value: unknown, what: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw new VarveError("corrupt", `Cannot read ${what}: it is not a JSON object`);
    this.#fields = new Map(Object.entries(value));
    this.#what = what;
  }

  /** The object that a document is; throws as `parseJson`. */
  static parse(bytes: Uint8Array, limit: number, what: string): JsonObject {
    return new JsonObject(parseJson(bytes, limit, what), what);
  }

  /** The objects of the list that a document is, `maxItems` at most; throws as `parseJson`. */
  static parseList(bytes: Uint8Array, limit: number, what: string, maxItems: number): readonly JsonObject[] {
    return new JsonObject({ list: parseJson(bytes, limit, what) }, what).objects("list", maxItems);
  }

  has(key: string): boolean {
    return this.#get(key) !== undefined;
  }

  isNull(key: string): boolean {
    return this.#fields.get(key) === null;
  }

  /** What to call a field in messages. */
  name(key: string): string {
    return `${this.#what}, field ${JSON.stringify(key.slice(0, 80))}`;
  }

  string(key: string): string | undefined {
    return this.#typed(key, "a text", (value) => typeof value === "string");
  }

  boolean(key: string): boolean | undefined {
    return this.#typed(key, "true or false", (value) => typeof value === "boolean");
  }

  /** An integer; beyond 2^53 it loses precision, as any JSON number here. */
  integer(key: string): number | undefined {
    return this.#typed(key, "an integer", (value): value is number => Number.isInteger(value));
  }

  /** A time as Go reads one: RFC 3339. */
  time(key: string): string | undefined {
    return this.#typed(key, "a time", (value): value is string => {
      return typeof value === "string" && !/[a-z]/.test(value) && parseGoTime(value) !== undefined;
    });
  }

  strings(key: string): readonly string[] | undefined {
    const value = this.#typed(key, "a list of texts", (list): list is (string | null)[] => {
      return Array.isArray(list) && list.every(isTextOrNull);
    });
    return value?.map((item) => item ?? "");
  }

  /** The keys of an object whose values say nothing, as in `ExposedPorts`. */
  keys(key: string): ReadonlySet<string> | undefined {
    const value = this.#typed(key, "an object of empty objects", (item): item is Record<string, unknown> => {
      return isObject(item) && Object.values(item).every((each) => each === null || isObject(each));
    });
    return value === undefined ? undefined : new Set(Object.keys(value));
  }

  stringMap(key: string): ReadonlyMap<string, string> | undefined {
    const value = this.#typed(key, "an object of texts", (item): item is Record<string, string | null> => {
      return isObject(item) && Object.values(item).every(isTextOrNull);
    });
    if (value === undefined) return undefined;
    return new Map(Object.entries(value).map(([name, text]) => [name, text ?? ""]));
  }

  object(key: string): JsonObject | undefined {
    const value = this.#get(key);
    return value === undefined ? undefined : new JsonObject(value, this.name(key));
  }

  /** Throws `limit-exceeded` if there are more than `limit`. */
  objects(key: string, limit: number): readonly JsonObject[] {
    const value = this.#typed(key, "a list", (item): item is unknown[] => Array.isArray(item)) ?? [];
    if (value.length > limit)
      throw new VarveError("limit-exceeded", `Cannot read ${this.name(key)}: it has more than ${limit} items`);
    return value.map((item, index) => new JsonObject(item ?? {}, `${this.name(key)}, item ${index}`));
  }

  digest(key: string): Digest {
    return checkDigest(this.string(key), this.name(key));
  }

  /** An integer that is a number of bytes; throws if it is absent. */
  size(key: string): number {
    const size = this.integer(key);
    if (size === undefined || size < 0 || !Number.isSafeInteger(size))
      throw new VarveError("corrupt", `Cannot read ${this.name(key)}: it is not a number of bytes`);
    return size;
  }

  /** Fields that nobody has asked for, or undefined if there are none. */
  unknown(): ReadonlyMap<string, JsonValue> | undefined {
    const rest = [...this.#fields].filter(([key]) => !this.#known.has(key));
    return rest.length === 0 ? undefined : new Map(rest as [string, JsonValue][]);
  }

  #get(key: string): unknown {
    this.#known.add(key);
    return this.#fields.get(key) ?? undefined;
  }

  #typed<T>(key: string, expected: string, is: (value: unknown) => value is T): T | undefined {
    const value = this.#get(key);
    if (value === undefined || is(value)) return value;
    throw new VarveError("corrupt", `Cannot read ${this.name(key)}: it is not ${expected}`);
  }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === "string";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A digest from a document: `corrupt`, not `invalid-argument`, if it is none. */
export function checkDigest(text: string | undefined, what: string): Digest {
  if (isDigest(text)) return text;
  throw new VarveError("corrupt", `Cannot read ${what}: ${JSON.stringify(text?.slice(0, 160))} is not a digest`);
}
