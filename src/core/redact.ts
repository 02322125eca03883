const MASK = "***";

/** Schemes in which `name:tag@digest` names an image, and is no user's name and password. */
const IMAGE_SCHEMES = new Set(["docker-image", "oci-layout"]);
/** Logins that are needed to reach a server, and known to everybody. */
const SSH_SCHEMES = new Set(["ssh", "git+ssh", "ssh+git"]);

/** The second form is a password with a slash in it, which should have been encoded. */
const USER_INFO =
  /\b([a-z][a-z0-9+.-]{0,31}):\/\/([^\s/?#"<>]{0,2048}|[^\s/?#"<>:@]{1,256}:(?!\d+[/?#])[^\s"<>]{0,1024})@/gi;
const PARAMETER = /([?&#;])([\w.-]{1,64})=([^\s&#;"'<>]+)/g;
const FIELD = /([{,]\s{0,64}"([\w.-]{1,64})"\s{0,8}:\s{0,8}")((?:[^"\\]|\\.)+)/g;
const HEADER =
  /\b((?:proxy-)?authorization|(?:set-)?cookie|(?:x-)?(?:private|job|auth)-token|x-registry-(?:auth|config)|x-api-key)(["']?\s{0,8}[:=]\s{0,8}["']?)((?:[a-z][a-z0-9-]{0,31}\s{1,8})?)([^\s"',]+)/gi;

/** Names of query parameters and fields that hold credentials: those of OAuth2, of registries, of signed URLs. */
const CREDENTIAL_NAME = /(?:token|password|passwd|secret|signature|credential|api[_-]?key)$|^(?:sig|auth)$/i;

/** A value of a header that is no word of a sentence: it holds a digit, padding, or a capital after a small letter. */
const OPAQUE = /^(?=.{8,})(?:.*\d|.*=$|.*[a-z][A-Z])/;

/** Secret values that are in use, in every form they are looked for, by the number of their users. */
const withheld = new Map<string, number>();
/** The keys of `withheld`, longest first, for one may hold another; undefined after a change. */
let ordered: readonly string[] | undefined;
/** Maximum characters of a value that is searched for. */
const MAX_WITHHELD = 65_536;
/** Maximum lines of a value that are searched for separately. */
const MAX_LINES = 256;

/** True if a value cannot be an ordinary word, which must stay in messages. */
function isDistinct(value: string): boolean {
  return value.length >= 16 || (value.length >= 8 && !/^[a-z]+$/.test(value));
}

function formsOf(value: string): string[] {
  if (value.length > MAX_WITHHELD) return [];
  const lines = value.split("\n", MAX_LINES).map((line) => line.trim());
  return [value.trim(), ...lines]
    .filter(isDistinct)
    .flatMap((text) => [
      text,
      encodeURIComponent(text.toWellFormed()),
      JSON.stringify(text).slice(1, -1),
      Buffer.from(text).toString("base64"),
    ]);
}

/**
 * Makes `redact` remove these values from every text until the result is disposed of. Ignores values of less than 8 characters, and values
 * of less than 16 lower-case letters, because they may be part of any word.
 */
export function withhold(...values: readonly string[]): Disposable {
  const forms = new Set(values.flatMap(formsOf));
  for (const form of forms) withheld.set(form, (withheld.get(form) ?? 0) + 1);
  ordered = undefined;
  return {
    [Symbol.dispose]: () => {
      for (const form of forms) {
        const users = withheld.get(form) ?? 0;
        if (users > 1) withheld.set(form, users - 1);
        else withheld.delete(form);
      }
      forms.clear();
      ordered = undefined;
    },
  };
}

function withoutValues(text: string): string {
  ordered ??= [...withheld.keys()].sort((a, b) => b.length - a.length);
  let clean = text;
  for (const value of ordered) if (clean.includes(value)) clean = clean.replaceAll(value, MASK);
  return clean;
}

function withoutUser(all: string, scheme: string, userInfo: string): string {
  if (IMAGE_SCHEMES.has(scheme.toLowerCase()) || userInfo === "") return all;
  if (SSH_SCHEMES.has(scheme.toLowerCase()) && !userInfo.includes(":")) return all;
  return `${scheme}://${MASK}@`;
}

/**
 * Removes credentials from a text: known secret values (`withhold`), user names and passwords in URLs, and values of query parameters,
 * JSON fields and HTTP headers that hold credentials. Other words of the text are kept.
 */
export function redact(text: string): string {
  return withoutValues(text)
    .replace(USER_INFO, withoutUser)
    .replace(PARAMETER, (all, mark: string, name: string) =>
      CREDENTIAL_NAME.test(name) ? `${mark}${name}=${MASK}` : all,
    )
    .replace(FIELD, (all, before: string, name: string) => (CREDENTIAL_NAME.test(name) ? `${before}${MASK}` : all))
    .replace(HEADER, (all, name: string, separator: string, _scheme: string, value: string) =>
      OPAQUE.test(value) ? `${name}${separator}${MASK}` : all,
    );
}

const MAX_DEPTH = 8;

/**
 * Applies `redact` to every string in a value: in arrays, plain objects, errors and their causes. Returns the value itself if it holds no
 * credentials.
 */
export function redactAll<T>(value: T, depth?: number): T;
export function redactAll(value: unknown, depth: number = MAX_DEPTH): unknown {
  if (typeof value === "string") return redact(value);
  if (typeof value !== "object" || value === null || depth === 0) return value;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => redactAll(item, depth - 1));
    return items.every((item, index) => item === value[index]) ? value : items;
  }
  if (value instanceof Error) return redactError(value, depth - 1);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const before = Object.entries(value);
  const after = before.map(([key, item]) => [key, redactAll(item as unknown, depth - 1)] as const);
  return after.every(([, item], index) => item === before[index]?.[1]) ? value : Object.fromEntries(after);
}

/** Returns a copy if something must be removed: errors of other code must not be changed. */
function redactError(error: Error, depth: number): Error {
  const changes = new Map<string, unknown>();
  for (const name of ["message", "cause", "errors", ...Object.keys(error)]) {
    const before: unknown = Reflect.get(error, name);
    const after = redactAll(before, depth);
    if (after !== before) changes.set(name, after);
  }
  if (changes.size === 0) return error;
  // The stack begins with the message. It is costly to read.
  if (error.stack !== undefined) changes.set("stack", redact(error.stack));
  const copy = cloneError(error);
  for (const [name, value] of changes) {
    const enumerable = Object.getOwnPropertyDescriptor(error, name)?.enumerable ?? false;
    Object.defineProperty(copy, name, { value, enumerable, configurable: true, writable: true });
  }
  return copy;
}

/** An error of the same class with the same properties. */
function cloneError(error: Error): Error {
  const properties = Object.getOwnPropertyDescriptors(error);
  for (const descriptor of Object.values(properties)) descriptor.configurable = true;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- it has the prototype and the properties of an error
  return Object.create(Reflect.getPrototypeOf(error), properties) as Error;
}
