import { isDigest } from "../digest.ts";
import type { Digest } from "../digest-type.ts";
import type { JsonValue } from "../go/json.ts";
import { parseGoTime } from "../go/time.ts";
import { type JsonOptions, JsonSource } from "./source.ts";

/** Go's fold of a field name: it matches names whatever their case, and two letters outside ASCII that fold into it. */
function fold(name: string): string {
  return name.toLowerCase().toUpperCase();
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A part of a path in an error, quoted where it could be misread. */
function shownKey(key: string | number): string {
  return typeof key === "number" || /^[\w.:/-]{1,80}$/.test(key) ? String(key) : JSON.stringify(key.slice(0, 80));
}

/**
 * A value of untrusted JSON, read as strictly as Go's `json.Unmarshal` reads into a typed variable: `null` is the same as
 * absent (undefined here), `null` in a list or map is an empty item, and a value of another type throws. Reading stops at the
 * first wrong value.
 */
export class JsonNode {
  readonly #value: unknown;
  readonly #source: JsonSource;
  readonly #parent: JsonNode | undefined;
  readonly #key: string | number;

  constructor(value: unknown, source: JsonSource, parent?: JsonNode, key: string | number = "") {
    this.#value = value;
    this.#source = source;
    this.#parent = parent;
    this.#key = key;
  }

  /** The value as it was parsed. */
  get raw(): unknown {
    return this.#value;
  }

  /** True for `null` and for a field that is absent. */
  get isAbsent(): boolean {
    return this.#value === undefined || this.#value === null;
  }

  /** Names the value in messages: `image config, field config.Env`. */
  get name(): string {
    const path = this.#path();
    return path === "" ? this.#source.what : `${this.#source.what}, field ${path}`;
  }

  /** Throws the document's error: the value is not `expected`. */
  fail(expected: string): never {
    const path = this.#path();
    return this.#source.fail(`${path === "" ? "it" : `its field ${path}`} is not ${expected}`);
  }

  string(): string | undefined {
    if (this.isAbsent) return undefined;
    return typeof this.#value === "string" ? this.#value : this.fail("a string");
  }

  boolean(): boolean | undefined {
    if (this.isAbsent) return undefined;
    return typeof this.#value === "boolean" ? this.#value : this.fail("true or false");
  }

  number(): number | undefined {
    if (this.isAbsent) return undefined;
    return typeof this.#value === "number" ? this.#value : this.fail("a number");
  }

  /** An integer of 64 bits. Like any number in JSON, it loses precision beyond 2^53. */
  integer(): number | undefined {
    const value = this.number();
    const isInteger = value === undefined || (Number.isInteger(value) && Math.abs(value) < 2 ** 63);
    return isInteger ? value : this.fail("an integer");
  }

  /** A number of bytes: a safe integer that is not negative. Throws if it is absent. */
  size(): number {
    const value = this.number() ?? -1;
    return Number.isSafeInteger(value) && value >= 0 ? value : this.fail("a number of bytes");
  }

  /** A time as Go writes it in JSON: RFC 3339. */
  time(): string | undefined {
    const value = this.string();
    return value === undefined || parseGoTime(value) !== undefined ? value : this.fail("a time");
  }

  /** Throws if it is absent. */
  digest(): Digest {
    const value = this.string();
    return isDigest(value) ? value : this.fail("a digest");
  }

  /**
   * The items of a list, each read by `read`; undefined if the list is absent.
   *
   * @throws {VarveError} `limit-exceeded` for more than `limit` items.
   */
  list<T>(read: (item: JsonNode) => T, limit: number = Infinity): T[] | undefined {
    if (this.isAbsent) return undefined;
    const value = this.#value;
    if (!Array.isArray(value)) return this.fail("a list");
    if (value.length > limit) this.#source.failLimit(`its field ${this.#path()} has more than ${limit} items`);
    return value.map((item: unknown, index) => read(new JsonNode(item, this.#source, this, index)));
  }

  strings(): string[] | undefined {
    return this.list((item) => item.string() ?? "");
  }

  /** The values of an object by their keys, each read by `read`; undefined if the object is absent. */
  map<T>(read: (item: JsonNode) => T): Map<string, T> | undefined {
    if (this.isAbsent) return undefined;
    const value = this.#value;
    if (!isPlainObject(value)) return this.fail("an object");
    const entries = Object.entries(value);
    return new Map(entries.map(([key, item]) => [key, read(new JsonNode(item, this.#source, this, key))]));
  }

  stringMap(): Map<string, string> | undefined {
    return this.map((item) => item.string() ?? "");
  }

  /** The keys of an object whose values are empty objects, as in `ExposedPorts`. */
  keys(): ReadonlySet<string> | undefined {
    const entries = this.map((item) => item.objectOrEmpty());
    return entries === undefined ? undefined : new Set(entries.keys());
  }

  object(): JsonObject | undefined {
    return this.isAbsent ? undefined : this.objectOrEmpty();
  }

  /** The object; one without fields if it is absent, as Go leaves a struct. */
  objectOrEmpty(): JsonObject {
    const value = this.#value ?? {};
    return isPlainObject(value) ? new JsonObject(this, value, this.#source) : this.#failObject();
  }

  /** The object. Throws if it is absent. */
  requiredObject(): JsonObject {
    return this.object() ?? this.#failObject();
  }

  #failObject(): never {
    return this.fail(this.#parent === undefined ? "a JSON object" : "an object");
  }

  #path(): string {
    if (this.#parent === undefined) return shownKey(this.#key).replace(/^""$/, "");
    const above = this.#parent.#path();
    return above === "" ? shownKey(this.#key) : `${above}.${shownKey(this.#key)}`;
  }
}

/** An object of untrusted JSON, read field by field. Keys are its own, and never become properties of anything. */
export class JsonObject {
  readonly #node: JsonNode;
  readonly #fields = new Map<string, unknown>();
  readonly #source: JsonSource;
  readonly #known = new Set<string>();

  constructor(node: JsonNode, value: Readonly<Record<string, unknown>>, source: JsonSource) {
    this.#node = node;
    this.#source = source;
    for (const [key, item] of Object.entries(value)) this.#fields.set(this.#keyOf(key), item);
  }

  /** The value of a field; an absent one if there is no such field. */
  field(key: string): JsonNode {
    const found = this.#keyOf(key);
    this.#known.add(found);
    return new JsonNode(this.#fields.get(found), this.#source, this.#node, key);
  }

  /** True if the field is there and not `null`. */
  has(key: string): boolean {
    return !this.field(key).isAbsent;
  }

  isNull(key: string): boolean {
    return this.field(key).raw === null;
  }

  string(key: string): string | undefined {
    return this.field(key).string();
  }

  boolean(key: string): boolean | undefined {
    return this.field(key).boolean();
  }

  integer(key: string): number | undefined {
    return this.field(key).integer();
  }

  time(key: string): string | undefined {
    return this.field(key).time();
  }

  digest(key: string): Digest {
    return this.field(key).digest();
  }

  size(key: string): number {
    return this.field(key).size();
  }

  strings(key: string): string[] | undefined {
    return this.field(key).strings();
  }

  stringMap(key: string): ReadonlyMap<string, string> | undefined {
    return this.field(key).stringMap();
  }

  keys(key: string): ReadonlySet<string> | undefined {
    return this.field(key).keys();
  }

  object(key: string): JsonObject | undefined {
    return this.field(key).object();
  }

  /** The objects of a list, none if it is absent; see `JsonNode.list`. */
  objects(key: string, limit?: number): readonly JsonObject[] {
    return this.field(key).list((item) => item.objectOrEmpty(), limit) ?? [];
  }

  /** The names of all fields, as the document writes them unless names match in any case. */
  fieldNames(): Iterable<string> {
    return this.#fields.keys();
  }

  /** The fields that nobody has read, or undefined if there are none. */
  unknown(): ReadonlyMap<string, JsonValue> | undefined {
    const rest = [...this.#fields].filter(([key]) => !this.#known.has(key));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `JSON.parse` makes nothing but JSON values
    return rest.length === 0 ? undefined : new Map(rest as [string, JsonValue][]);
  }

  /** Throws the document's error for a field that nobody has read: for files that people write. */
  rejectUnknown(): void {
    for (const key of this.#fields.keys()) if (!this.#known.has(key)) this.field(key).fail("a known setting");
  }

  #keyOf(key: string): string {
    return this.#source.anyCase ? fold(key) : key;
  }
}

/**
 * Parses untrusted JSON, of at most 2,000,000 values and 64 levels.
 *
 * @param what - Names the document in messages.
 * @returns The document's value, to be read by its methods.
 * @throws {VarveError} `corrupt`, or `options.code`, for anything but JSON; `limit-exceeded` past a limit.
 *
 * @example
 * const config = parseJson(bytes, "image config", { limit: Limits.config }).requiredObject();
 * const os = config.string("os") ?? "";
 */
export function parseJson(source: string | Uint8Array, what: string, options: JsonOptions = {}): JsonNode {
  const document = new JsonSource(what, options);
  return new JsonNode(document.parse(source), document);
}

/** Reads a value that has been parsed elsewhere, as `parseJson` reads one. */
export function readJsonValue(value: unknown, what: string, options: JsonOptions = {}): JsonNode {
  return new JsonNode(value, new JsonSource(what, options));
}
