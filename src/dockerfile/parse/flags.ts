import { fault } from "../source/fault.ts";
import { didYouMean, suggestion } from "./suggest.ts";

/** What an instruction's flag takes: `true`/`false` or nothing, one value, or one value each time it is given. */
export type FlagKind = "boolean" | "value" | "values";

/** Of one instruction. A mount is a flag, and an input of the step. */
const MAX_FLAGS = 1000;

export class Flags {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** The value, or the default. */
  value(name: string, fallback = ""): string {
    return this.#values.get(name)?.[0] ?? fallback;
  }

  values(name: string): readonly string[] {
    return this.#values.get(name) ?? [];
  }

  isTrue(name: string): boolean {
    return this.value(name) === "true";
  }
}

function readBoolean(name: string, value: string | undefined): string {
  if (value === "") throw fault(`missing a value on flag: ${name}`, name);
  const lower = (value ?? "true").toLowerCase();
  if (lower !== "true" && lower !== "false")
    throw fault(`expecting boolean value for flag ${name}, not: ${value ?? ""}`, name);
  return lower;
}

/** Reads an instruction's flags; throws `invalid-build` for one that is unknown, repeated or without its value. */
export function parseFlags(flags: readonly string[], known: Readonly<Record<string, FlagKind>>): Flags {
  if (flags.length > MAX_FLAGS) throw fault(`more than ${MAX_FLAGS} flags`);
  const kinds = new Map(Object.entries(known));
  const values = new Map<string, string[]>();
  for (const flag of flags) {
    const equals = flag.indexOf("=");
    const full = equals < 0 ? flag : flag.slice(0, equals);
    const value = equals < 0 ? undefined : flag.slice(equals + 1);
    const name = full.slice(2);
    const kind = kinds.get(name);
    if (kind === undefined) throw fault(`unknown flag: ${full}${didYouMean(suggestion(name, kinds.keys()))}`, full);
    const earlier = values.get(name) ?? [];
    values.set(name, earlier);
    if (earlier.length > 0 && kind !== "values") throw fault(`duplicate flag specified: ${full}`, full);
    if (kind !== "boolean" && value === undefined) throw fault(`missing a value on flag: ${full}`, full);
    earlier.push(kind === "boolean" ? readBoolean(full, value) : (value ?? ""));
  }
  return new Flags(values);
}
