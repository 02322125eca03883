import { goQuote, messageOf, parseGoBool } from "../../core/index.ts";
import { csvFields } from "./csv.ts";
import { fault } from "../source/fault.ts";
import type { CacheSharing, MountType, RunDevice, RunMount } from "./instruction.ts";
import { parseBinarySize, parseUint32 } from "./quantity.ts";
import { didYouMean, suggestion } from "./suggest.ts";

const TYPES: readonly MountType[] = ["bind", "cache", "tmpfs", "secret", "ssh"];
const SHARINGS: readonly CacheSharing[] = ["shared", "private", "locked"];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
interface Draft extends Mutable<RunMount> {
  /** Neither `ro` nor `rw` was given, so that the type decides. */
  isDefault: boolean;
}
type Setter = (draft: Draft, value: string, key: string) => void;

function invalid(key: string, value: string): never {
  throw fault(`invalid value for ${key}: ${value}`);
}

function bool(value: string, key: string): boolean {
  return parseGoBool(value) ?? invalid(key, value);
}

function number(value: string, key: string, base: 8 | 10): number {
  const parsed = parseUint32(value, base);
  if (parsed === undefined) throw fault(`invalid value ${value} for ${key}`);
  return parsed;
}

function onlyFor(draft: Draft, key: string, ...types: readonly MountType[]): void {
  if (!types.includes(draft.type)) throw fault(`unexpected key '${key}' for mount type '${draft.type}'`);
}

const setReadonly: Setter = (draft, value, key) => {
  draft.readonly = bool(value, key);
  draft.isDefault = false;
};
const setWritable: Setter = (draft, value, key) => {
  draft.readonly = !bool(value, key);
  draft.isDefault = false;
};
const setSource: Setter = (draft, value) => (draft.source = value);
const setTarget: Setter = (draft, value) => (draft.target = value);

const SETTERS: ReadonlyMap<string, Setter> = new Map<string, Setter>([
  [
    "type",
    (draft, value) => {
      const type = TYPES.find((candidate) => candidate === value.toLowerCase());
      if (type === undefined)
        throw fault(`unsupported mount type ${goQuote(value)}${didYouMean(suggestion(value, TYPES))}`);
      draft.type = type;
    },
  ],
  ["from", (draft, value) => (draft.from = value)],
  ["source", setSource],
  ["src", setSource],
  ["target", setTarget],
  ["dst", setTarget],
  ["destination", setTarget],
  ["readonly", setReadonly],
  ["ro", setReadonly],
  ["readwrite", setWritable],
  ["rw", setWritable],
  [
    "required",
    (draft, value, key) => {
      onlyFor(draft, key, "secret", "ssh");
      draft.required = bool(value, key);
    },
  ],
  [
    "size",
    (draft, value, key) => {
      onlyFor(draft, key, "tmpfs");
      draft.size = parseBinarySize(value) ?? invalid(key, value);
    },
  ],
  ["id", (draft, value) => (draft.id = value)],
  [
    "sharing",
    (draft, value) => {
      const sharing = SHARINGS.find((candidate) => candidate === value.toLowerCase());
      if (sharing === undefined)
        throw fault(`unsupported sharing value ${goQuote(value)}${didYouMean(suggestion(value, SHARINGS))}`);
      draft.sharing = sharing;
    },
  ],
  ["mode", (draft, value, key) => (draft.mode = number(value, key, 8))],
  ["uid", (draft, value, key) => (draft.uid = number(value, key, 10))],
  ["gid", (draft, value, key) => (draft.gid = number(value, key, 10))],
  ["env", (draft, value) => (draft.env = value)],
]);

const BARE = new Set(["readonly", "ro", "readwrite", "rw", "required"]);

function applyField(draft: Draft, field: string, expandValue: (word: string) => string): void {
  const equals = field.indexOf("=");
  const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
  if (equals < 0 && !BARE.has(key)) throw fault(`invalid field '${field}' must be a key=value pair`, field);
  const setter = SETTERS.get(key);
  const value = equals < 0 ? "true" : expandValue(field.slice(equals + 1));
  if (setter === undefined)
    throw fault(`unexpected key '${key}' in '${field}'${didYouMean(suggestion(key, SETTERS.keys()))}`, field);
  setter(draft, value, key);
}

function checkOwner({ type, mode, uid, gid }: Draft): void {
  if (type === "secret" || type === "ssh" || type === "cache") return;
  for (const [key, value] of Object.entries({ mode, uid, gid }))
    if (value !== undefined) throw fault(`${key} not allowed for "${type}" type mounts`);
}

function checkSecret({ type, from, sharing, source, target, id }: Draft): void {
  if (type !== "secret") return;
  if (from !== "") throw fault("secret mount should not have a from");
  if (sharing !== undefined) throw fault("secret mount should not define sharing");
  if (source === "" && target === "" && id === "") throw fault("invalid secret mount. one of source, target required");
  if (source !== "" && id !== "") throw fault("both source and id can't be set");
}

function fieldsOf(text: string, what: string): string[] {
  try {
    return csvFields(text);
  } catch (error) {
    throw fault(`failed to parse csv ${what}: ${messageOf(error)}`, text);
  }
}

function emptyDraft(): Draft {
  return {
    type: "bind",
    from: "",
    source: "",
    target: "",
    readonly: false,
    size: 0,
    id: "",
    required: false,
    isDefault: true,
  };
}

/**
 * Parses the value of a `RUN --mount`.
 * @param expandValue expands the variables in the value of an option
 * @throws {VarveError} `invalid-build`, without a location
 *
 * @example
 * parseMount("type=cache,target=/root/.npm", (word) => word).target; // "/root/.npm"
 */
export function parseMount(text: string, expandValue: (word: string) => string): RunMount {
  const draft = emptyDraft();
  for (const field of fieldsOf(text, "mounts")) applyField(draft, field, expandValue);
  checkOwner(draft);
  if (draft.isDefault) draft.readonly = draft.type !== "cache" && draft.type !== "tmpfs";
  checkSecret(draft);
  if (draft.sharing !== undefined && draft.type !== "cache")
    throw fault(`invalid cache sharing set for ${draft.type} mount`);
  const { isDefault: _isDefault, ...mount } = draft;
  return mount;
}

/** Parses the `from` option of a mount, before variables can be expanded. All other fields have their defaults. */
export function parseMountEarly(text: string): RunMount {
  const draft = emptyDraft();
  for (const field of fieldsOf(text, "mounts")) {
    const equals = field.indexOf("=");
    if (equals < 0 || field.slice(0, equals).toLowerCase() !== "from") continue;
    const value = field.slice(equals + 1);
    const dollar = value.indexOf("$");
    if (dollar >= 0 && dollar !== value.length - 1)
      throw fault("'from' doesn't support variable expansion, define alias stage instead", field);
    draft.from = value;
  }
  const { isDefault: _isDefault, ...mount } = draft;
  return mount;
}

/** Parses the value of a `RUN --device`: a name or `name=…`, and `required`. */
export function parseDevice(text: string): RunDevice {
  let name = "";
  let required = false;
  for (const field of fieldsOf(text, "devices")) {
    const equals = field.indexOf("=");
    const key = (equals < 0 ? field : field.slice(0, equals)).toLowerCase();
    const value = equals < 0 ? undefined : field.slice(equals + 1);
    if (key === "required") required = value === undefined || bool(value, key);
    else if (key === "name" && value !== undefined) {
      if (name !== "") throw fault(`device name already set to ${name}`, field);
      name = value;
    } else if (name === "") name = field;
    else if (value === undefined) throw fault(`invalid field '${field}' must be a key=value pair`, field);
    else
      throw fault(`unexpected key '${key}' in '${field}'${didYouMean(suggestion(key, ["name", "required"]))}`, field);
  }
  return { name, required };
}
