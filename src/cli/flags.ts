import { VarveError, messageOf, parseGoBool } from "../core/index.ts";
import { parseArgs } from "node:util";

/**
 * A flag of a command. `many` may be given several times; `boolean` also accepts `--flag=false`; `switch` is a boolean that is undefined
 * if it is not given; `optional` may have a value, and is empty without one.
 */
export interface Flag {
  readonly kind: "boolean" | "switch" | "string" | "many" | "optional";
  readonly short?: string | undefined;
  /** Name of the value in the help text. */
  readonly value?: string | undefined;
  readonly help: string;
}

export type Flags = Readonly<Record<string, Flag>>;

type FlagValue<F extends Flag> = F["kind"] extends "boolean"
  ? boolean
  : F["kind"] extends "switch"
    ? boolean | undefined
    : F["kind"] extends "many"
      ? readonly string[]
      : string | undefined;

export interface Parsed<F extends Flags> {
  readonly flags: { readonly [K in keyof F]: FlagValue<F[K]> };
  readonly args: readonly string[];
}

/** Returns the error for a wrong command line, which has exit code 2. */
export function usageError(message: string): VarveError {
  return new VarveError("invalid-argument", message, { details: { usage: true } });
}

/**
 * Rewrites forms that docker accepts and Node's parser does not: `--switch=true`, `--switch=false`, which cancels an earlier
 * `--switch`, and `-f=value`.
 */
function plainForms(argv: readonly string[], flags: Flags): string[] {
  const end = argv.indexOf("--");
  const plain: string[] = [];
  for (const arg of end < 0 ? argv : argv.slice(0, end)) {
    const [, name = "", value = ""] = /^--?([a-zA-Z-]+)=(.*)$/s.exec(arg) ?? [];
    const [long, flag] = Object.entries(flags).find(([key, { short }]) => isCalled(arg, key, short, name)) ?? [];
    if (flag === undefined) plain.push(withValue(arg, flags));
    else if (flag.kind === "string" || flag.kind === "many" || flag.kind === "optional")
      plain.push(`--${long}=${value}`);
    else {
      const isOn = parseGoBool(value);
      if (isOn === undefined) throw usageError(`Cannot read ${arg}: expected true or false`);
      if (flag.kind === "switch") plain.push(`--${long}=${isOn}`);
      else if (isOn) plain.push(`--${long}`);
      else removeAll(plain, [`--${long}`, `-${flag.short}`]);
    }
  }
  return end < 0 ? plain : [...plain, ...argv.slice(end)];
}

function isCalled(arg: string, long: string, short: string | undefined, name: string): boolean {
  return arg.startsWith("--") ? name === long : name !== "" && name === short;
}

/** Adds the value of a flag that may be given without one. */
function withValue(arg: string, flags: Flags): string {
  const flag = arg.startsWith("--") ? new Map(Object.entries(flags)).get(arg.slice(2)) : undefined;
  if (flag?.kind === "switch") return `${arg}=true`;
  return flag?.kind === "optional" ? `${arg}=` : arg;
}

function removeAll(list: string[], items: readonly string[]): void {
  list.splice(0, list.length, ...list.filter((item) => !items.includes(item)));
}

/**
 * Parses a command line.
 *
 * @throws {VarveError} `invalid-argument` for a flag that is unknown or lacks its value.
 */
export function parseFlags<const F extends Flags>(argv: readonly string[], flags: F): Parsed<F> {
  const options = Object.fromEntries(
    Object.entries(flags).map(([name, flag]) => [
      name,
      {
        type: flag.kind === "boolean" ? ("boolean" as const) : ("string" as const),
        multiple: flag.kind === "many",
        ...(flag.short === undefined ? {} : { short: flag.short }),
      },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({
      args: plainForms(argv, flags),
      options,
      allowPositionals: true,
      strict: true,
    });
    const read = Object.entries(flags).map(([name, { kind }]) => [name, valueOf(kind, values[name])]);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `read` has a value of the right kind for each flag
    return { flags: Object.fromEntries(read) as Parsed<F>["flags"], args: positionals };
  } catch (error) {
    throw error instanceof VarveError ? error : usageError(`Cannot read the command line: ${messageOf(error)}`);
  }
}

function valueOf(kind: Flag["kind"], given: unknown): unknown {
  switch (kind) {
    case "boolean":
      return given ?? false;
    case "switch":
      return given === undefined ? undefined : given === "true";
    case "many":
      return given ?? [];
    case "string":
    case "optional":
      return given;
  }
}

function valueText({ kind, value = "VALUE" }: Flag): string {
  if (kind === "boolean" || kind === "switch") return "";
  return kind === "optional" ? `[=${value}]` : ` ${value}`;
}

/** Returns the lines of the help text that describe flags. */
export function describeFlags(flags: Flags): string {
  const rows = Object.entries(flags).map(([name, flag]): [string, string] => {
    const short = flag.short === undefined ? "    " : `-${flag.short}, `;
    const value = valueText(flag);
    return [`  ${short}--${name}${value}`, flag.help];
  });
  const width = Math.min(36, Math.max(...rows.map(([left]) => left.length)));
  return rows
    .map(([left, help]) =>
      left.length > width ? `${left}\n${" ".repeat(width + 2)}${help}` : `${left.padEnd(width + 2)}${help}`,
    )
    .join("\n");
}
