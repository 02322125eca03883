import { VarveError } from "../../core/index.ts";
import type { RecordType } from "../../record/index.ts";
import type { ClientStoreName } from "../../source/index.ts";

/** The attributes of a source op. */
export type Attributes = ReadonlyMap<string, string>;

function invalid(why: string): VarveError {
  return new VarveError("invalid-argument", why);
}

/** Parses a number as Go's `strconv.ParseInt` with base 0: a leading 0 means octal, 0x hexadecimal. Returns 0 if it is not set. */
export function integer(attrs: Attributes, key: string): number {
  const text = attrs.get(key) ?? "0";
  const octal = /^0o?([0-7]+)$/.exec(text)?.[1];
  const value = octal === undefined ? Number(text) : parseInt(octal, 8);
  if (!/^(?:0o?[0-7]+|0|[1-9]\d{0,9}|0x[\da-f]{1,8})$/i.test(text) || value > 0xffff_ffff)
    throw invalid(`Cannot read ${key}: ${JSON.stringify(text)} is not a number`);
  return value;
}

/** Returns a limit on the layers of an image. Throws BuildKit's `invalid layer limit X`. */
export function layerLimit(attrs: Attributes, key: string): number | undefined {
  const text = attrs.get(key);
  if (text === undefined) return undefined;
  const limit = /^\+?\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit > 0) return limit;
  throw invalid(`invalid layer limit ${text}`);
}

/** Returns the type of an image's records. Throws BuildKit's `invalid record type X`. */
export function recordType(attrs: Attributes): RecordType | undefined {
  const text = attrs.get("image.recordtype") ?? "";
  switch (text) {
    case "":
      return undefined;
    case "regular":
    case "internal":
    case "frontend":
      return text;
    default:
      throw invalid(`invalid record type ${text}`);
  }
}

/** Returns which store of the client a source is in; undefined if it names none. */
export function clientStore(attrs: Attributes): ClientStoreName | undefined {
  const store = attrs.get("oci.store") ?? "";
  const session = attrs.get("oci.session") ?? "";
  if (store === "") return undefined;
  return session === "" ? { store } : { store, session };
}
