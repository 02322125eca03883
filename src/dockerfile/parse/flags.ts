import { fault } from "../source/fault.ts";
import { didYouMean, suggestion } from "./suggest.ts";

/** The values of a flag: "boolean", `true`, `false` or none; "value", one; "values", one each time the flag is given. */
export type FlagKind = "boolean" | "value" | "values";

/** Maximum number of flags of one instruction. Each `--mount` is one, and an input of the step. */
const MAX_FLAGS = 1000;

/** The parsed flags of an instruction. */
export class Flags {
  readonly #values: ReadonlyMap<string, readonly string[]>;

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Returns the value of a flag, or `fallback` if it was not given. */
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

/** Parses the flags of an instruction. Throws `invalid-build` for a flag that is unknown, repeated or without its value. */
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
